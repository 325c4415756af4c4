"""Which operators of a quantized graph round their output, and which only pass integers on."""

from __future__ import annotations

from collections.abc import Set

from hintlite.deploy.tflite.graph import Graph, Operator, Quantization, Tensor

INPUT = -1  # stands for the model's input, which the caller quantizes

ACTIVATION_DTYPES = frozenset({"INT8", "UINT8", "INT16"})

# They choose, move or repeat integers: with one scale on both sides nothing is rounded.
_MOVERS = frozenset(
    {
        *("BATCH_TO_SPACE_ND", "BROADCAST_TO", "CONCATENATION", "DEPTH_TO_SPACE"),
        *("EXPAND_DIMS", "GATHER", "GATHER_ND", "MAXIMUM", "MAX_POOL_2D", "MINIMUM"),
        *("MIRROR_PAD", "PACK", "PAD", "PADV2", "REDUCE_MAX", "REDUCE_MIN", "RELU", "RESHAPE"),
        *("RESIZE_NEAREST_NEIGHBOR", "REVERSE_V2", "SLICE", "SPACE_TO_BATCH_ND"),
        *("SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQUEEZE", "STRIDED_SLICE", "TILE"),
        *("TRANSPOSE", "UNPACK"),
    }
)
# Their kernels demand the input's scale for the output, whose values they compute.
_BOUND = frozenset({"AVERAGE_POOL_2D", "RELU6", "RELU_N1_TO_1", "RESIZE_BILINEAR"})


def is_rounded_tensor(tensor: Tensor) -> bool:
    """True for activations that are stored as integers with a scale."""
    return (
        not tensor.constant
        and tensor.quantization is not None
        and tensor.dtype in ACTIVATION_DTYPES
    )


def rounds(graph: Graph, operator: Operator) -> bool:
    """True where the operator puts its results on a grid that its inputs are not on already."""
    outputs = [graph.tensors[index] for index in operator.outputs]
    if not any(is_rounded_tensor(tensor) for tensor in outputs):
        return False
    return not (operator.name in _MOVERS and _one_grid(graph, operator))


def is_bound(graph: Graph, operator: Operator) -> bool:
    """True where the operator's results are on the grid of its inputs because they have to be."""
    return operator.name in _BOUND | _MOVERS and _one_grid(graph, operator)


def with_followers(graph: Graph, chosen: Set[int]) -> frozenset[int]:
    """The operators whose rounding falls away when some are kept in float.

    An average pooling must keep the scale of its input. It would round what comes from a float
    operator with the very scale that this operator is meant to be rid of, so it goes with it.

    Args:
        graph: in the file's (topological) order.
        chosen: indices of operators, `INPUT` among them or not.
    """
    free = set(chosen)
    float_tensors = set(graph.inputs) if INPUT in chosen else set()
    for operator in graph.operators:
        if operator.index in free:
            float_tensors.update(operator.outputs)
        elif is_bound(graph, operator) and float_tensors.intersection(operator.inputs):
            float_tensors.update(operator.outputs)
            if rounds(graph, operator):
                free.add(operator.index)
    return frozenset(free)


def _one_grid(graph: Graph, operator: Operator) -> bool:
    """All quantized activations at the operator have one scale and one zero point."""
    ends = [graph.tensors[index] for index in (*operator.inputs, *operator.outputs) if index >= 0]
    grids = {_grid(tensor.quantization) for tensor in ends if is_rounded_tensor(tensor)}
    return len(grids) == 1


def _grid(quantization: Quantization | None) -> tuple[float, int]:
    assert quantization is not None
    return quantization.scales[0], quantization.zero_points[0]
