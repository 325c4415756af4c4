"""How far the weights of an operator reach, channel by channel, and what rounding them costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hintlite.deploy.explain.noise import decibels
from hintlite.deploy.explain.simulate import FloatWeights
from hintlite.deploy.tflite.graph import Array, Graph, Operator
from hintlite.deploy.tflite.inspect import is_parameter

# Where an operator's kernel keeps its output channels; other operators are taken as a whole.
_CHANNEL_AXIS = {
    "CONV_2D": 0,
    "DEPTHWISE_CONV_2D": 3,
    "FULLY_CONNECTED": 0,
    "TRANSPOSE_CONV": 0,
    "CONV_3D": 4,
}


@dataclass(frozen=True)
class WeightFigures:
    """The kernel of one operator.

    Attributes:
        channel_ranges: largest absolute weight of each output channel.
        ratio: the largest of them over the smallest; None where one is 0.
        scales: of the stored integers, one a channel or one in all.
        sqnr_db: of the stored weights against the float ones; None where these are not known.
    """

    channel_ranges: tuple[float, ...]
    ratio: float | None
    scales: tuple[float, ...]
    sqnr_db: float | None


def weight_figures(graph: Graph, operator: Operator, weights: FloatWeights) -> WeightFigures | None:
    """The figures of an operator's largest constant; None for an operator without weights.

    Args:
        graph: of the INT8 file.
        operator: of it.
        weights: float weights, as far as they are known.
    """
    constants = [
        (position, graph.tensors[index])
        for position, index in enumerate(operator.inputs)
        if index >= 0 and is_parameter(graph.tensors[index])
    ]
    if not constants:
        return None
    position, kernel = max(constants, key=lambda pair: pair[1].elements)
    stored, exact = kernel.real_values(), weights.get((operator.index, position))
    ranges = channel_ranges(stored if exact is None else exact, _CHANNEL_AXIS.get(operator.name))
    return WeightFigures(
        channel_ranges=ranges,
        ratio=max(ranges) / min(ranges) if ranges and min(ranges) > 0 else None,
        scales=kernel.quantization.scales if kernel.quantization else (),
        sqnr_db=None if exact is None else weight_sqnr(exact, stored),
    )


def channel_ranges(kernel: Array, axis: int | None) -> tuple[float, ...]:
    """Largest absolute value of each slice.

    Args:
        kernel: weights of any shape.
        axis: of the output channels; None takes the kernel as one.
    """
    absolute = np.abs(kernel)
    if axis is None or axis >= kernel.ndim:
        return (float(np.max(absolute, initial=0.0)),)
    others = tuple(each for each in range(kernel.ndim) if each != axis)
    return tuple(float(value) for value in np.max(absolute, axis=others))


def weight_sqnr(exact: Array, stored: Array) -> float | None:
    """Signal-to-quantization-noise ratio of weights, in dB."""
    signal, difference = exact.astype(np.float64), stored - exact.astype(np.float64)
    return decibels(float(np.sum(signal**2)), float(np.sum(difference**2)))
