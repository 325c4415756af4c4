"""Labels in the forms that Keras users have, as class indices."""

from __future__ import annotations

from typing import Any

import numpy as np

from hintlite.pipeline.app.python.arguments import ArgumentError


def class_indices(labels: np.ndarray, classes: int, what: str) -> np.ndarray:
    """Indices int64 `[n]` of labels in any usual form.

    Args:
        labels: whole numbers `[n]` or `[n, 1]` (as floats too), or one-hot `[n, classes]`.
        classes: how many the networks tell apart.
        what: where they come from, for the message.

    Raises:
        ArgumentError: several classes a sample, shares of classes, fractions, text, or a class
            beyond those of the networks.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if is_one_hot(labels):
        return _from_one_hot(labels, classes, what)
    if labels.ndim != 1:
        raise ArgumentError(
            f"{what}: labels have the shape {list(labels.shape)}; expected one class index a "
            f"sample, [n], or one-hot rows, [n, {classes}]"
        )
    if labels.dtype.kind in "OSU":
        raise ArgumentError(
            f"{what}: labels are {labels.dtype}, expected class indices from 0; "
            "names, y = np.unique(labels, return_inverse=True) makes them of names"
        )
    return _in_range(_whole(labels, what), classes, what)


def is_one_hot(labels: Any) -> bool:
    """Whether labels have a number for each class."""
    return len(labels.shape) == 2 and labels.shape[1] != 1


def _from_one_hot(labels: np.ndarray, classes: int, what: str) -> np.ndarray:
    if labels.shape[1] != classes:
        raise ArgumentError(
            f"{what}: one-hot labels of {labels.shape[1]} classes, but the networks tell {classes} "
            "apart"
        )
    sound = (labels.max(axis=1) == 1) & (np.count_nonzero(labels, axis=1) == 1)
    if not sound.all():
        row = int(np.argmin(sound))
        raise ArgumentError(
            f"{what}: row {row} of the labels is {labels[row].tolist()}, expected a single 1 among "
            "zeros; shares of classes and several classes a sample cannot be distilled here"
        )
    return labels.argmax(axis=1).astype(np.int64)


def _whole(labels: np.ndarray, what: str) -> np.ndarray:
    indices = labels.astype(np.int64)
    if labels.dtype.kind == "f" and not np.array_equal(indices, labels):
        row = int(np.argmax(indices != labels))
        raise ArgumentError(
            f"{what}: label {labels[row]} in row {row} is no whole number; expected class indices"
        )
    return indices


def _in_range(labels: np.ndarray, classes: int, what: str) -> np.ndarray:
    beyond = (labels < 0) | (labels >= classes)
    if beyond.any():
        row = int(beyond.argmax())
        raise ArgumentError(
            f"{what}: label {labels[row]} in row {row}, but the networks tell {classes} classes "
            f"apart, 0 to {classes - 1}"
        )
    return labels
