"""Walks over arrays: axes with one stride an operand, merged where memory allows."""

from __future__ import annotations

from collections.abc import Sequence

from hintlite.deploy.c_export.errors import ExportError

Axes = list[tuple[int, ...]]  # for each axis: (size, stride of the first array, of the second, ...)


def dense_strides(shape: Sequence[int]) -> list[int]:
    """Strides in elements of a dense array, the last axis fastest."""
    strides = [1] * len(shape)
    for i in range(len(shape) - 2, -1, -1):
        strides[i] = strides[i + 1] * shape[i + 1]
    return strides


def merge_axes(shape: Sequence[int], *strides: Sequence[int]) -> Axes:
    """Drop axes of size 1 and join neighbours that every array walks as one.

    Args:
        shape: sizes, the slowest axis first.
        strides: for each array, one stride an axis.

    Returns:
        The fewest axes that visit the same elements in the same order.
    """
    merged: Axes = []
    for axis in zip(shape, *strides, strict=True):
        if axis[0] == 1:
            continue
        if merged and all(
            outer == inner * axis[0] for outer, inner in zip(merged[-1][1:], axis[1:], strict=True)
        ):
            merged[-1] = (merged[-1][0] * axis[0], *axis[1:])
        else:
            merged.append(axis)
    return merged or [(1,) + (1,) * len(strides)]


def four(axes: Axes) -> tuple[tuple[int, ...], ...]:
    """Exactly four axes, ones in front, as (shape, strides of the first array, ...).

    Raises:
        ExportError: more than four axes remain.
    """
    if len(axes) > 4:
        raise ExportError("the nearest supported form walks over at most 4 dimensions")
    padded = [(1,) + (0,) * (len(axes[0]) - 1)] * (4 - len(axes)) + list(axes)
    return tuple(zip(*padded, strict=True))
