"""Multiply-accumulates of one operator, from the shapes in the file."""

from __future__ import annotations

import math
from collections.abc import Callable

from hintlite.deploy.tflite.graph import Graph, ModelError, Operator

Shape = tuple[int, ...]


def count_operator_macs(graph: Graph, operator: Operator) -> int:
    """Multiply-accumulates of one run of an operator.

    Counted are convolutions, fully connected layers and matrix products, padding included, as
    MLPerf Tiny and the FitNets paper count them, and an LSTM's products of matrices in every step;
    every other operator counts 0. A transposed convolution multiplies every input element with its
    whole kernel.

    Args:
        graph: the graph that holds the operator's tensors.
        operator: the operator.

    Raises:
        ModelError: the operator lacks its inputs, or they have another rank than it needs.
    """
    formula = _FORMULAS.get(operator.name)
    return 0 if formula is None else formula(graph, operator)


def _shape(graph: Graph, operator: Operator, tensors: Shape, position: int, rank: int) -> Shape:
    """A tensor's shape with unknown sizes as 1; rank 0 accepts any rank."""
    if position >= len(tensors) or tensors[position] < 0:
        raise ModelError(f"Operator {operator.index} ({operator.name}) lacks tensor {position}.")
    shape = graph.tensors[tensors[position]].shape
    if (rank and len(shape) != rank) or not shape:
        raise ModelError(
            f"Operator {operator.index} ({operator.name}) has a tensor of shape {list(shape)}; "
            f"expected rank {rank or 'at least 1'}. The file is damaged."
        )
    return tuple(1 if size < 0 else size for size in shape)


def _input(graph: Graph, operator: Operator, position: int, rank: int = 0) -> Shape:
    return _shape(graph, operator, operator.inputs, position, rank)


def _output(graph: Graph, operator: Operator, rank: int = 0) -> Shape:
    return _shape(graph, operator, operator.outputs, 0, rank)


def _conv_2d(graph: Graph, operator: Operator) -> int:
    # Kernel [out, h, w, in / groups].
    kernel = _input(graph, operator, 1, rank=4)
    return math.prod(_output(graph, operator, rank=4)) * math.prod(kernel[1:])


def _depthwise_conv_2d(graph: Graph, operator: Operator) -> int:
    # Kernel [1, h, w, out].
    kernel = _input(graph, operator, 1, rank=4)
    return math.prod(_output(graph, operator, rank=4)) * kernel[1] * kernel[2]


def _transpose_conv(graph: Graph, operator: Operator) -> int:
    # Inputs: output shape, kernel [out, h, w, in], image [batch, h, w, in].
    kernel = _input(graph, operator, 1, rank=4)
    return math.prod(_input(graph, operator, 2, rank=4)) * math.prod(kernel[:3])


def _conv_3d(graph: Graph, operator: Operator) -> int:
    # Kernel [depth, h, w, in, out].
    kernel = _input(graph, operator, 1, rank=5)
    return math.prod(_output(graph, operator, rank=5)) * math.prod(kernel[:4])


def _fully_connected(graph: Graph, operator: Operator) -> int:
    # Weights [out, in].
    return math.prod(_output(graph, operator)) * _input(graph, operator, 1, rank=2)[1]


def _batch_matmul(graph: Graph, operator: Operator) -> int:
    left = _input(graph, operator, 0)
    if len(left) < 2:
        raise ModelError(f"Operator {operator.index} (BATCH_MATMUL) multiplies no matrices.")
    return math.prod(_output(graph, operator)) * left[-2 if operator.options.get("adj_x") else -1]


_LSTM_MATRICES = (*range(1, 9), 16)  # of the input, of the recurrence, and a projection


def _lstm(graph: Graph, operator: Operator) -> int:
    # Input [batch, time, channels], or time first.
    steps = math.prod(_input(graph, operator, 0, rank=3)[:2])
    present = [
        place
        for place in _LSTM_MATRICES
        if place < len(operator.inputs) and operator.inputs[place] >= 0
    ]
    return steps * sum(math.prod(_input(graph, operator, place, rank=2)) for place in present)


_FORMULAS: dict[str, Callable[[Graph, Operator], int]] = {
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "TRANSPOSE_CONV": _transpose_conv,
    "CONV_3D": _conv_3d,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _batch_matmul,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
}
