"""Feature maps brought to a size: by averages downwards, by repetition upwards."""

from __future__ import annotations

import numpy as np
from keras import ops

from pipeline.methods.base import Tensor

Size = tuple[int, int]


def common_size(first: tuple[int, ...], second: tuple[int, ...]) -> Size:
    """The smaller height and the smaller width of two shapes (h, w, ...)."""
    return min(first[0], second[0]), min(first[1], second[1])


def average_to(x: Tensor, size: Size) -> Tensor:
    """Average-pools a map; windows overlap where the sizes do not divide.

    Args:
        x: `[batch, h, w, c]`.
        size: height and width wanted, no larger than h and w.

    Returns:
        `[batch, *size, c]`: window i covers floor(i h / size) to ceil((i + 1) h / size).
    """
    height, width, channels = x.shape[1:]
    if (height, width) == size:
        return x
    if height % size[0] == 0 and width % size[1] == 0:  # the same windows, computed faster
        windows = (-1, size[0], height // size[0], size[1], width // size[1], channels)
        return ops.mean(ops.reshape(x, windows), axis=(2, 4))
    return ops.adaptive_average_pool(x, size)


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
