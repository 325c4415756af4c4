"""Operations between a map and a constant, and layers that are the same, as slopes and offsets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from hintlite.models.graph import Node

Line = tuple[Any, Any]  # slope and offset, each a number or one a channel

# Operator -> whether the constant stands first -> the slope and offset that it means.
LINES: Mapping[str, Mapping[bool, Callable[[Any], Line]]] = {
    "Add": dict.fromkeys((False, True), lambda c: (1.0, c)),
    "Multiply": dict.fromkeys((False, True), lambda c: (c, 0.0)),
    "Subtract": {False: lambda c: (1.0, -c), True: lambda c: (-1.0, c)},
    "Divide": {False: lambda c: (1.0 / c, 0.0)},
    "TrueDivide": {False: lambda c: (1.0 / c, 0.0)},
}


def constant_of(node: Node) -> tuple[NDArray[np.float64] | None, bool]:
    """The constant of an operator of two operands, and whether it stands first."""
    operands = [*node.arguments.args, *node.arguments.kwargs.values()]
    if len(operands) != 2:
        return None, False
    maps = [isinstance(each, keras.KerasTensor) for each in operands]
    if sum(maps) != 1:
        return None, False
    value = operands[maps.index(False)]
    if not isinstance(value, int | float | list | tuple | np.ndarray | np.generic) and not (
        keras.ops.is_tensor(value)
    ):
        return None, False
    return np.asarray(value, np.float64), maps[1]


def line_of(node: Node) -> Line | None:
    """`slope * x + offset` of an operator with a constant, a Rescaling or a Normalization.

    Returns:
        Slope and offset, each a number or `[channels]`; None of everything else.
    """
    layer, kind = node.operation, type(node.operation).__name__
    if kind == "Rescaling":
        line: Line | None = (layer.scale, layer.offset)
    elif kind == "Normalization" and not layer.invert:
        mean, variance = (
            np.asarray(value, np.float64).ravel() for value in (layer.mean, layer.variance)
        )
        scale = 1.0 / np.maximum(np.sqrt(variance), keras.config.epsilon())
        line = (scale, -mean * scale)
    else:
        constant, first = constant_of(node)
        means = LINES.get(kind, {}).get(first)
        line = None if constant is None or means is None else means(constant)
    return None if line is None else by_channel(line, node.input_tensors[0].shape[-1])


def by_channel(line: Line, channels: int) -> Line | None:
    """A line whose parts are numbers, or one a channel; None where they are of another shape."""
    parts = [np.asarray(part, np.float64) for part in line]
    if any(part.size > 1 and not part.shape[-1] == part.size == channels for part in parts):
        return None
    slope, offset = (part.ravel() for part in parts)
    return slope, offset
