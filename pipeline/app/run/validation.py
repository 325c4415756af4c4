"""What a trained network is worth on validation data, kept and told before it is built upon."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hintlite.pipeline.app.run.context import Context, StageError
from hintlite.pipeline.settings.training import FEW_UPDATES

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from hintlite.pipeline.data.rows import Predict
    from hintlite.pipeline.data.training_data import KeptData, TrainingData
    from hintlite.pipeline.settings.data import FedKind

_REORDERED = 0.3  # accuracy that another order of the labels or channels has to gain
_BALANCE = (
    "the classes are uneven: set class_weights balanced for its training, which also keeps the "
    "epoch of the best balanced accuracy"
)
_UNEVEN_TEACHER = "uneven classes (teacher_training.class_weights balanced)"
# What CHOOSE_BY names -> the figure, larger is better.
_WORTH: dict[str, Callable[[Mapping[str, Any]], float]] = {
    "accuracy": lambda figures: float(figures["accuracy"]),
    "balanced_accuracy": lambda figures: float(figures["balanced_accuracy"]),
    "f1": lambda figures: float(figures["macro_f1"]),
    "loss": lambda figures: -float(figures["loss"]),
}


def predictor(network: keras.Model) -> Predict:
    """A function from float32 images `[n, h, w, c]` to logits `[n, classes]`.

    Args:
        network: with taps, or input to logits.
    """
    import numpy as np

    from hintlite.models.taps import logits_only
    from hintlite.pipeline.data.rows import batch_of

    plain = logits_only(network) if isinstance(network.output, dict) else network
    return lambda images: np.asarray(
        plain.predict(images, batch_size=batch_of(images.shape[1:]), verbose=0), np.float32
    )


def measured(predict: Predict, data: KeptData) -> dict[str, Any]:
    """The figures of a classifier on the validation part, as plain data.

    Args:
        predict: float32 images `[n, h, w, c]`, normalized -> logits `[n, classes]`.
        data: its validation part is read.

    Returns:
        What `Scores` and `Guessing` hold, and `samples`; `loss`, the labels' cross-entropy;
        `finite`, whether every logit is a number; `constant`, the one class that is answered for
        every sample, None where there are several.
    """
    from hintlite.pipeline.data.rows import predicted

    logits = predicted(predict, data.fed(data.validation))
    return judged(logits, data.labels[data.validation], data.class_names)


def judged(
    logits: NDArray[Any], labels: NDArray[Any], class_names: Sequence[str]
) -> dict[str, Any]:
    """The figures of `measured` of samples that a classifier has answered.

    Args:
        logits: `[n, classes]`.
        labels: class indices `[n]`.
        class_names: one a class.
    """
    import numpy as np
    from scipy.special import log_softmax

    from hintlite.pipeline.tasks.classification import guessing, scores

    logits = logits.astype(np.float64)
    chosen = logits.argmax(axis=1)
    found = scores(labels, chosen, len(class_names))
    against = guessing(found)
    finite = bool(np.isfinite(logits).all())
    true = log_softmax(logits, axis=1)[np.arange(len(labels)), labels] if finite else None
    alone = len(np.unique(chosen)) == 1 and len(np.unique(labels)) > 1
    return {
        "samples": len(labels),
        **asdict(found),
        "loss": None if true is None else float(-true.mean()),
        "guessing": asdict(against) | {"at_chance": against.at_chance},
        "finite": finite,
        "constant": class_names[int(chosen[0])] if alone else None,
    }


def worth(figures: Mapping[str, Any], chosen_by: str) -> float:
    """What a classifier is chosen by, larger is better.

    Args:
        figures: from `measured`, all finite.
        chosen_by: one of CHOOSE_BY.
    """
    return _WORTH[chosen_by](figures)


def is_collapsed(figures: Mapping[str, Any]) -> bool:
    """Whether a network answers one class whatever it sees, or no numbers at all."""
    return figures["constant"] is not None or not figures["finite"]


def sentence(
    name: str, figures: Mapping[str, Any], updates: int | None = None, balance: str = _BALANCE
) -> str:
    """What a network reaches, for the terminal.

    Args:
        name: of the network.
        figures: from `measured`.
        updates: steps of its training in all, if they are known.
        balance: what to do where the classes are uneven.
    """
    trained = "asked" not in figures  # by this run, whose settings could cure it
    if not figures["finite"]:
        cure = "; lower the learning rate" if trained else ""
        return f"{name}: its outputs are not finite numbers{cure}"
    if figures["constant"] is not None:
        cure = f": {_collapse_cure(figures, updates, balance)}" if trained else ""
        return (
            f"{name}: collapsed, it answers {figures['constant']!r} for all {figures['samples']} "
            f"validation samples{cure}"
        )
    return (
        f"{name}: {100 * figures['accuracy']:.2f} % of {figures['samples']} validation samples, "
        f"balanced {100 * figures['balanced_accuracy']:.2f} %"
    )


def _collapse_cure(figures: Mapping[str, Any], updates: int | None, balance: str) -> str:
    """Few updates leave a network where it began, many have led it away."""
    cures = ["lower the learning rate", "train longer or in smaller batches"]
    if updates is not None and updates < FEW_UPDATES:
        cures = [f"{cures[1]} ({updates} steps teach little)", cures[0]]
    steps = ", or ".join(cures)
    return f"{balance}, or {steps}" if _hides_in_commonest(figures) else steps


def _hides_in_commonest(figures: Mapping[str, Any]) -> bool:
    """Whether a network is as accurate as the commonest of uneven classes is common."""
    from hintlite.pipeline.tasks.classification import is_uneven

    commonest = figures["guessing"]["commonest"]
    return is_uneven(figures["support"]) and bool(figures["accuracy"] >= commonest)


def asked(predict: Predict, data: TrainingData, kind: FedKind) -> dict[str, Any]:
    """How a teacher that was given does on other ranges, and with labels or channels reordered.

    Args:
        predict: float32 images `[n, h, w, c]`, normalized -> logits `[n, classes]`.
        data: its validation part is read.
        kind: its normalization.

    Returns:
        `ranges`: normalization -> balanced accuracy on at most 2,000 validation samples;
        `problem`: why the range that is set is wrong, None where it is not; `reordered`: a sentence
        for each other order that is far better.
    """
    from hintlite.pipeline.data.feeding import feeding, problem

    fed = feeding(predict, data, kind)
    wrong = None
    if fed.is_fed_wrongly:
        wrong = problem(fed, "the teacher", "data.normalization")
        wrong = f"{wrong}, or teacher_normalization {fed.best} for the teacher alone"
    return {
        "ranges": dict(fed.accuracy),
        "problem": wrong,
        "reordered": _reordered(predict, data),
    }


def _reordered(predict: Predict, data: TrainingData) -> list[str]:
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    from hintlite.pipeline.data.rows import predicted
    from hintlite.pipeline.tasks.classification import confusion

    images, labels = data.fed(data.validation), data.labels[data.validation]
    chosen = predicted(predict, images).argmax(axis=1)
    matrix = confusion(labels, chosen, len(data.class_names))
    right, found = float(np.trace(matrix) / len(labels)), []
    rows, columns = linear_sum_assignment(matrix, maximize=True)
    best = float(matrix[rows, columns].sum() / len(labels))
    if best - right >= _REORDERED:
        pairs = list(zip(rows, columns, strict=True))[:5]
        listed = ", ".join(f"{data.class_names[row]!r} is its output {col}" for row, col in pairs)
        found.append(
            f"with its outputs in another order it would reach {best:.2%} ({listed}): give the "
            "class names of the data in the order that it was trained on"
        )
    if images.shape[-1] == 3:
        turned = predicted(lambda part: predict(part[..., ::-1]), images)
        swapped = float(np.mean(turned.argmax(axis=1) == labels))
        if swapped - right >= _REORDERED:
            found.append(f"with blue first, as OpenCV reads images, it would reach {swapped:.2%}")
    return found


def require_useful(context: Context) -> None:
    """Refuses to distil from a teacher that guesses, or that another range would suit far better.

    Raises:
        StageError: unless `accept_chance` is set, which makes it a line on the terminal.
    """
    if all(arm == "scratch" for arm in context.config.arms):
        return
    for stage in context.teachers:
        figures = json.loads(context.file(stage, "summary.json").read_text())["validation"]
        reason = doubt(figures)
        if reason is None:
            continue
        if not context.config.accept_chance:
            raise StageError(f"{stage}: {reason}\nor go on with --accept_chance true")
        context.terminal.say(f"{stage}: {reason}\ngoing on, as accept_chance says")


def doubt(figures: Mapping[str, Any]) -> str | None:
    """Why nothing should be distilled from a teacher, with the likely causes first; or None.

    Args:
        figures: from `measured`, with `asked` under that name for a teacher that was given.
    """
    given, against = figures.get("asked"), figures["guessing"]
    if given is not None and given["problem"] is not None:
        return str(given["problem"])
    if figures["finite"] and not against["at_chance"]:
        return None
    return (
        f"the teacher is no better than guessing: {figures['accuracy']:.2%} of "
        f"{figures['samples']} validation samples, where always answering the commonest class "
        f"gives {against['commonest']:.2%} (one-sided binomial test against "
        f"{against['accuracy_bound']:.2%}: p = {against['accuracy_p']:.2g}; balanced accuracy "
        f"{figures['balanced_accuracy']:.2%}: p = {against['balanced_p']:.2g})\n"
        + _causes(given, figures)
    )


def _causes(given: Mapping[str, Any] | None, figures: Mapping[str, Any]) -> str:
    if given is None:
        uneven = f"{_UNEVEN_TEACHER}, " if _hides_in_commonest(figures) else ""
        return (
            f"likely causes: {uneven}too few steps (teacher_training.epochs, or a smaller "
            "teacher_training.batch_size), a learning rate that is too high, labels that do not "
            "belong to the samples"
        )
    tried = ", ".join(f"{kind} {share:.2%}" for kind, share in given["ranges"].items())
    orders = given["reordered"] or ["another order of labels, or of channels"]
    return (
        "likely causes, the likeliest first: another range of values (balanced accuracy by "
        f"data.normalization: {tried}); {'; '.join(orders)}; samples of another size or kind than "
        "it was trained on"
    )
