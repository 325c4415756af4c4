"""Whether a teacher has anything to teach, fed as it will be, and a student has learned it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hintlite.pipeline.app.python.arguments import ArgumentError, class_names
from hintlite.pipeline.app.python.samples import Task
from hintlite.pipeline.tasks.classification import Scores, guessing, scores

if TYPE_CHECKING:
    import keras

    from hintlite.pipeline.settings.training import TrainingConfig
    from hintlite.pipeline.training.feed import Feed

MOST_SAMPLES = 2000  # of the validation part
# Ranges that a model may have been trained on, from those that samples most often have.
OTHER_RANGES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "x / 255": lambda x: x / 255,
    "x / 127.5 - 1": lambda x: x / 127.5 - 1,
    "x * 255": lambda x: x * 255,
    "2 * x - 1": lambda x: 2 * x - 1,
}


def check_teacher(teacher: keras.Model, feed: Feed, classes: int, accept_chance: bool) -> float:
    """The teacher's accuracy on validation samples; refused where it is guessing.

    Args:
        teacher: network with the output "logits".
        feed: its validation samples are asked, at most MOST_SAMPLES of them.
        classes: how many.
        accept_chance: go on all the same.

    Raises:
        ArgumentError: no better than guessing (`hintlite.pipeline.tasks.classification.Guessing`);
            a range of values under which it does better is named.
    """
    from hintlite.deploy.convert.keras_logits import keras_logits
    from hintlite.models.taps import logits_only

    inputs, labels = some_validation(feed)
    alone = logits_only(teacher)

    def reached(samples: np.ndarray) -> Scores:
        chosen = keras_logits(alone, samples.astype(np.float32)).argmax(axis=1)
        return scores(labels, chosen, classes)

    found = reached(inputs)
    if accept_chance or not guessing(found).at_chance:
        return found.accuracy
    others = {name: reached(change(inputs)) for name, change in OTHER_RANGES.items()}
    best = max(others, key=lambda name: others[name].balanced_accuracy)
    advice = (
        "no other usual range of values is better: look at the order of its classes and channels"
        if guessing(others[best]).at_chance
        else f"fed {best} it reaches {others[best].accuracy:.2%}: give samples of that range, or "
        "begin the models with a Rescaling layer"
    )
    raise ArgumentError(
        f"the teacher is guessing: {found.accuracy:.2%} accuracy on {len(labels)} validation "
        f"samples of values {inputs.min():g} to {inputs.max():g}; {advice}. accept_chance=True "
        "distills from it all the same"
    )


def warn_of_collapse(student: keras.Model, feed: Feed, task: Task, config: TrainingConfig) -> None:
    """Warns of a trained student that answers one class for all validation samples, or no number.

    Args:
        student: network with the output "logits".
        feed: its validation samples are asked, at most MOST_SAMPLES of them.
        task: what it tells apart.
        config: that it was trained with.
    """
    from hintlite.deploy.convert.keras_logits import keras_logits
    from hintlite.models.taps import logits_only

    inputs, labels = some_validation(feed)
    logits = keras_logits(logits_only(student), inputs.astype(np.float32))
    names = class_names(task.names, task.classes)
    warn_where_collapsed(logits, labels, names, config.epochs * feed.steps, stacklevel=5)


def warn_where_collapsed(
    logits: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
    updates: int | None = None,
    stacklevel: int = 3,
) -> None:
    """Warns where a student's answers are one class, or no finite numbers.

    Args:
        logits: `[n, classes]`.
        labels: class indices `[n]`.
        names: of the classes.
        updates: steps of the training, if they are known.
        stacklevel: of the warning, so that it names the user's line.
    """
    from hintlite.pipeline.app.run.validation import is_collapsed, judged, sentence

    found = judged(logits, labels, names)
    if is_collapsed(found):
        warnings.warn(sentence("the student", found, updates, BALANCE), stacklevel=stacklevel)


BALANCE = "the classes are uneven: give class_weight={class: weight}"


def some_validation(feed: Feed) -> tuple[np.ndarray, np.ndarray]:
    """The inputs and class indices of validation samples, at most MOST_SAMPLES."""
    from hintlite.pipeline.training.label_loss import class_indices

    inputs, labels = [], []
    for x, y, *_ in feed.validation({}):
        inputs.append(np.asarray(x["image"] if isinstance(x, Mapping) else x))
        labels.append(np.asarray(class_indices(y)))
        if sum(map(len, labels)) >= MOST_SAMPLES:
            break
    return np.concatenate(inputs)[:MOST_SAMPLES], np.concatenate(labels)[:MOST_SAMPLES]
