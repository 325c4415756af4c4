"""`hintlite.evaluate`: how good a network or file is on test data, and how often it was asked."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hintlite.pipeline.app.python.arguments import ArgumentError
from hintlite.pipeline.app.python.files import Files
from hintlite.pipeline.app.python.samples import Data, Task, named, read_samples

if TYPE_CHECKING:
    import keras

    from hintlite.pipeline.tasks.classification import Scores

_SEEN: Counter[str] = Counter()  # fingerprint of test samples -> evaluations in this process


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Answers on test samples.

    Attributes:
        correct: samples told right.
        total: samples asked.
        scores: accuracy, balanced accuracy, F1, and recall and precision of each class.
        low: lower end of the accuracy's 95 % interval (Wilson 1927).
        high: upper end.
        confusion: int64 `[classes, classes]`, row: true class, column: answer.
        logits: float32 `[n, classes]`, in the order of the samples.
        times: how often this process has asked these very samples, this time included. A figure
            that a choice was made by is no test any more.
    """

    correct: int
    total: int
    scores: Scores
    low: float
    high: float
    confusion: np.ndarray
    logits: np.ndarray
    times: int

    @property
    def accuracy(self) -> float:
        """Share of the samples that are told right."""
        return self.scores.accuracy

    def __repr__(self) -> str:
        often = "the first time" if self.times == 1 else f"seen {self.times} times in this process"
        return (
            f"<Evaluation: {self.accuracy:.2%} ({self.low:.2%} to {self.high:.2%}) of "
            f"{self.total} samples, {often}>"
        )


def evaluate(
    model: keras.Model | Files | bytes | str | Path,
    test: Data,
    *,
    labels: Sequence[str] | None = None,
) -> Evaluation:
    """Asks a network or a file about test samples, and counts that.

    The samples are fed as they are.

    Args:
        model: a Keras classifier; files from `hintlite.quantize`, of which the INT8 file is asked;
            or bytes or path of any `.tflite` classifier, or a bundle.
        test: (x, y) or a dataset of samples that nothing was trained on or chosen by.
        labels: the classes' names, in the order of the outputs, where those of `test` are text. If
            None, the names that `files` or a bundle has, or else those in `test`, sorted.

    Returns:
        Accuracy with its interval, confusions, logits, and how often these samples were asked.

    Raises:
        HintliteError: samples of another shape, labels beyond the classes, a damaged file.
    """
    from hintlite.deploy.convert.verify import wilson_interval
    from hintlite.pipeline.tasks.classification import confusion, scores_of

    ask, task = _subject(model, test)
    known = _names(model) if labels is None else labels
    task = named(task, known, test, "test", "labels")
    samples = read_samples(test, task, "test")
    logits = ask(samples.array.astype(np.float32))
    answers = logits.argmax(axis=1)
    matrix = confusion(samples.labels, answers, task.classes)
    correct, total = int(np.trace(matrix)), len(answers)
    low, high = wilson_interval(correct, total)
    times = _count(samples.array)
    return Evaluation(correct, total, scores_of(matrix), low, high, matrix, logits, times)


def _names(model: Any) -> Sequence[str] | None:
    """The classes' names that come with a model."""
    from hintlite.deploy.bundle.bundle import read_manifest
    from hintlite.deploy.bundle.deployed import is_bundle

    if isinstance(model, Files):
        return model.labels
    if isinstance(model, (str, Path)) and is_bundle(Path(model)):
        names: list[str] = read_manifest(Path(model))["task"]["labels"]
        return names
    return None


def _count(inputs: np.ndarray) -> int:
    """How often these samples were asked; their order does not matter."""
    rows = sorted(hashlib.sha256(row.tobytes()).digest() for row in inputs)
    fingerprint = hashlib.sha256(b"".join(rows)).hexdigest()
    _SEEN[fingerprint] += 1
    return _SEEN[fingerprint]


def _subject(model: Any, test: Data) -> tuple[Any, Task]:
    """What computes logits `[n, classes]`, and its task."""
    if hasattr(model, "inputs") and hasattr(model, "predict"):
        return _network(model, test)
    from hintlite.deploy.interpret.runtime import Runner
    from hintlite.pipeline.app.python.files import int8_bytes

    runner = Runner(int8_bytes(model), threads=2)
    if len(runner.output.shape) != 2:
        raise ArgumentError(
            f"the file answers with the shape {list(runner.output.shape)}; expected a classifier, "
            "[1, classes]"
        )
    return runner.predict, Task(tuple(runner.input.shape[1:]), int(runner.output.shape[1]))


def _network(model: keras.Model, test: Data) -> tuple[Any, Task]:
    from hintlite.deploy.convert.keras_logits import keras_logits
    from hintlite.models.taps import logits_only
    from hintlite.pipeline.app.python.networks import as_network, task_of

    network = as_network(model, "model", samples=test)
    alone = logits_only(network)

    return partial(keras_logits, alone), task_of(network)
