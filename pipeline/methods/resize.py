"""Feature maps brought to a size: by averages downwards, by repetition upwards."""

from __future__ import annotations

import numpy as np
from keras import ops
from numpy.typing import NDArray

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
    if height % size[0] == 0 and width % size[1] == 0:
        windows = (-1, size[0], height // size[0], size[1], width // size[1], channels)
        return ops.mean(ops.reshape(x, windows), axis=(2, 4))
    rows, columns = (_windows(*sides) for sides in zip((height, width), size, strict=True))
    x = ops.einsum("bhwc,hi->biwc", x, ops.convert_to_tensor(rows, x.dtype))
    return ops.einsum("biwc,wj->bijc", x, ops.convert_to_tensor(columns, x.dtype))


def _windows(given: int, wanted: int) -> NDArray[np.float32]:
    """How much place h counts in average i, `[given, wanted]`.

    Products of matrices: the gradient of adaptive pooling gathers and scatters, which takes most
    of a training step on a CPU.
    """
    shares = np.zeros((given, wanted), np.float32)
    for i in range(wanted):
        first, behind = i * given // wanted, -(-(i + 1) * given // wanted)
        shares[first:behind, i] = 1 / (behind - first)
    return shares


def nearest_to(x: Tensor, size: Size) -> Tensor:
    """Repeats (or leaves out) rows and columns: row i of the result is row floor(i h / size).

    Whole multiples are copies side by side, whose gradient is a sum; other sizes are a lookup,
    because XLA knows no gradient of the image resizing operations.

    Args:
        x: `[batch, h, w, c]`.
        size: height and width wanted, larger or smaller.

    Returns:
        `[batch, *size, c]`.
    """
    height, width, channels = x.shape[1:]
    if size[0] % height == 0 and size[1] % width == 0 and size != (height, width):
        copies = (1, 1, size[0] // height, 1, size[1] // width, 1)
        tiled = ops.tile(ops.reshape(x, (-1, height, 1, width, 1, channels)), copies)
        return ops.reshape(tiled, (-1, *size, channels))
    for axis, wanted in zip((1, 2), size, strict=True):
        given = x.shape[axis]
        if given != wanted:
            x = ops.take(x, np.arange(wanted) * given // wanted, axis=axis)
    return x
