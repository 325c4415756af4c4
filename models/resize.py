"""Feature maps brought to a size: by averages downwards, by repetition upwards."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from keras import ops

Tensor = Any
Size = tuple[int, ...]


def common_size(first: Sequence[int], second: Sequence[int]) -> Size:
    """The smaller size along each axis of two shapes (h, w, c), (time, c) or (c,)."""
    return tuple(min(pair) for pair in zip(first[:-1], second[:-1], strict=True))


def average_to(x: Tensor, size: Size) -> Tensor:
    """Average-pools a map; windows overlap where the sizes do not divide.

    A product with a constant matrix for each axis: pooling and its gradient take longer.

    Args:
        x: `[batch, h, w, c]`, `[batch, time, c]` or `[batch, c]`.
        size: sizes wanted along its places, no larger than those given.

    Returns:
        `[batch, *size, c]`: window i covers floor(i h / size) to ceil((i + 1) h / size).
    """
    *given, channels = x.shape[1:]
    if tuple(given) == size:
        return x
    for axis, (here, wanted) in enumerate(zip(given, size, strict=True)):
        x = ops.reshape(x, (-1, here, prod(given[axis + 1 :]) * channels))
        x = ops.matmul(ops.cast(_windows(here, wanted), x.dtype), x)
    return ops.reshape(x, (-1, *size, channels))


def _windows(given: int, wanted: int) -> np.ndarray:
    """The matrix `[wanted, given]` that averages the windows of one axis."""
    matrix = np.zeros((wanted, given), np.float32)
    for i in range(wanted):
        first, end = i * given // wanted, -(-(i + 1) * given // wanted)
        matrix[i, first:end] = 1.0 / (end - first)
    return matrix


def nearest_to(x: Tensor, size: Size) -> Tensor:
    """Repeats (or leaves out) places along each axis: place i is floor(i h / size) of those given.

    Written as a lookup, because XLA knows no gradient of the image resizing operations.

    Args:
        x: `[batch, h, w, c]`, `[batch, time, c]` or `[batch, c]`.
        size: sizes wanted along its places, larger or smaller.

    Returns:
        `[batch, *size, c]`.
    """
    for axis, wanted in enumerate(size, start=1):
        given = x.shape[axis]
        if given != wanted:
            x = ops.take(x, np.arange(wanted) * given // wanted, axis=axis)
    return x
