"""Labels in the forms that Keras users have, as class indices of the networks at hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from hintlite.pipeline.app.python.arguments import ArgumentError
from hintlite.pipeline.data.labels import read_labels


def class_indices(labels: np.ndarray, classes: int, what: str) -> np.ndarray:
    """Indices int64 `[n]` of labels in any form of `read_labels` but text.

    Args:
        labels: whole numbers `[n]` or `[n, 1]` (as floats too), or one-hot `[n, classes]`.
        classes: how many the networks tell apart.
        what: where they come from, for the message.

    Raises:
        DataError: several classes a sample, shares of classes, fractions.
        ArgumentError: text, or a class beyond those of the networks.
    """
    if labels.dtype.kind in "OSU":
        raise ArgumentError(
            f"{what}: labels are text, expected class indices in the order of the outputs; "
            "names, y = np.unique(labels, return_inverse=True) makes them of names"
        )
    if is_one_hot(labels) and labels.shape[1] != classes:
        raise ArgumentError(
            f"{what}: one-hot labels of {labels.shape[1]} classes, but the networks tell {classes} "
            "apart"
        )
    values = read_labels(labels, len(labels), what).values
    beyond = values >= classes
    if beyond.any():
        row = int(beyond.argmax())
        raise ArgumentError(
            f"{what}: label {values[row]} in row {row}, but the networks tell {classes} classes "
            f"apart, 0 to {classes - 1}"
        )
    return values


def is_one_hot(labels: Any) -> bool:
    """Whether labels have a number for each class."""
    return len(labels.shape) == 2 and labels.shape[1] != 1
