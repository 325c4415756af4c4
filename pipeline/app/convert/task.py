"""What a converted model answers, as far as its outputs and the labels tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hintlite.deploy.convert.frozen import End
from hintlite.errors import DataError


@dataclass(frozen=True)
class Task:
    """How an answer is read.

    Attributes:
        kind: "classes" (the largest of several outputs), "binary" (one output, above a threshold)
            or "values" (numbers).
        output: which output it is read from.
        classes: how many there are to choose from.
        threshold: of "binary".
    """

    kind: Literal["classes", "binary", "values"]
    output: int = 0
    classes: int = 0
    threshold: float = 0.0

    def choices(self, answers: Sequence[np.ndarray]) -> np.ndarray:
        """Class indices [n]; only where there are classes."""
        found = answers[self.output]
        if self.kind == "binary":
            return (found.reshape(len(found)) > self.threshold).astype(np.int64)
        return found.argmax(axis=-1)


def task_of(
    outputs: Sequence[End],
    labels: np.ndarray | None,
    answers: Sequence[np.ndarray],
    stated: str | None = None,
) -> Task:
    """Tells what a model answers.

    Args:
        outputs: of the model.
        labels: [n] or [n, ...], or None.
        answers: some of its answers, one array [n, ...] an output.
        stated: "classes" or "values"; None: told from the labels, and without any a single output
            [n, classes] is taken for a choice, and all else for numbers.

    Raises:
        DataError: labels that belong to none of its outputs.
    """
    if labels is None and (stated == "values" or (stated is None and len(outputs) > 1)):
        return Task("values")
    whole = labels is None or (labels.ndim == 1 and labels.dtype.kind in "iub")
    whole = whole and stated != "values"
    for place, end in enumerate(outputs):
        if len(end.shape) == 1 and end.shape[0] > 1 and whole:
            return _classes(place, end.shape[0], labels)
    for place, end in enumerate(outputs):
        if end.shape == (1,) and whole and labels is not None and set(np.unique(labels)) <= {0, 1}:
            low, high = float(answers[place].min()), float(answers[place].max())
            return Task("binary", place, 2, 0.5 if low >= 0 and high <= 1 else 0.0)
    if stated == "classes":
        shapes = ", ".join(str(list(end.shape)) for end in outputs)
        raise DataError(
            f"the model chooses no class: it gives {shapes}, expected [classes]: leave out --answer"
        )
    if labels is not None and not any(_like(labels, end) for end in outputs):
        shapes = ", ".join(str(list(end.shape)) for end in outputs)
        raise DataError(
            f"labels {labels.dtype} {list(labels.shape)} belong to no output of the model, which "
            f"gives {shapes}: expected class numbers [n], or numbers of an output's shape; leave y "
            "out to convert without labels"
        )
    place = next(
        (n for n, end in enumerate(outputs) if labels is not None and _like(labels, end)), 0
    )
    return Task("values", place)


def _classes(place: int, classes: int, labels: np.ndarray | None) -> Task:
    if labels is not None and (labels.min() < 0 or labels.max() >= classes):
        raise DataError(
            f"labels from {labels.min()} to {labels.max()}, but the model tells {classes} classes "
            f"apart: they are numbered 0 to {classes - 1}, in the order of its outputs"
        )
    return Task("classes", place, classes)


def _like(labels: np.ndarray, end: End) -> bool:
    return labels.shape[1:] == end.shape or (labels.ndim == 1 and end.shape == (1,))
