"""Feature maps brought to a size: by averages downwards, by repetition upwards."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

Tensor = Any
Size = tuple[int, int]


def common_size(first: tuple[int, ...], second: tuple[int, ...]) -> Size:
    """The smaller height and the smaller width of two shapes (h, w, ...)."""
    return min(first[0], second[0]), min(first[1], second[1])


def average_to(x: Tensor, size: Size) -> Tensor:
    """Average-pools a map; windows overlap where the sizes do not divide.

    Two products with constant matrices, rows first: pooling and its gradient take longer.

    Args:
        x: `[batch, h, w, c]`.
        size: height and width wanted, no larger than h and w.

    Returns:
        `[batch, *size, c]`: window i covers floor(i h / size) to ceil((i + 1) h / size).
    """
    height, width, channels = x.shape[1:]
    if (height, width) == size:
        return x
    rows = ops.reshape(x, (-1, height, width * channels))
    rows = ops.matmul(ops.cast(_windows(height, size[0]), x.dtype), rows)
    places = ops.reshape(rows, (-1, width, channels))
    places = ops.matmul(ops.cast(_windows(width, size[1]), x.dtype), places)
    return ops.reshape(places, (-1, *size, channels))


def _windows(given: int, wanted: int) -> np.ndarray:
    """The matrix `[wanted, given]` that averages the windows of one axis."""
    matrix = np.zeros((wanted, given), np.float32)
    for i in range(wanted):
        first, end = i * given // wanted, -(-(i + 1) * given // wanted)
        matrix[i, first:end] = 1.0 / (end - first)
    return matrix


def nearest_to(x: Tensor, size: Size) -> Tensor:
    """Repeats (or leaves out) rows and columns: row i of the result is row floor(i h / size).

    Written as a lookup, because XLA knows no gradient of the image resizing operations.

    Args:
        x: `[batch, h, w, c]`.
        size: height and width wanted, larger or smaller.

    Returns:
        `[batch, *size, c]`.
    """
    for axis, wanted in zip((1, 2), size, strict=True):
        given = x.shape[axis]
        if given != wanted:
            x = ops.take(x, np.arange(wanted) * given // wanted, axis=axis)
    return x
