"""A full-INT8 flatbuffer as the small typed graph that becomes C."""

from __future__ import annotations

from pathlib import Path

from hintlite.deploy.c_export.graph import Array, ExportError, Graph, Operator, Tensor, data_inputs
from hintlite.deploy.tflite import flatbuffer, graph

# Kinds that cannot be computed without the options of their schema table.
NEEDS_OPTIONS = frozenset(
    {
        *("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "SUB", "MUL"),
        *("AVERAGE_POOL_2D", "MAX_POOL_2D", "CONCATENATION", "SOFTMAX", "LEAKY_RELU"),
    }
)
_INTEGERS = {"int8", "int32", "int64"}


def read_model(model: bytes | str | Path) -> Graph:
    """Read a flatbuffer.

    Args:
        model: the content of a .tflite file, or its path.

    Returns:
        The graph without what only computes shapes (all shapes are static).

    Raises:
        ExportError: not a TFLite file, a damaged one, several subgraphs, or not one int8 input and
            output.
    """
    try:
        graphs = flatbuffer.read_model(model).graphs
        if len(graphs) != 1:
            raise ExportError(f"expected one subgraph, the model has {len(graphs)}")
        return _checked(graphs[0])
    except graph.ModelError as error:
        raise ExportError(str(error)) from error


def _checked(main: graph.Graph) -> Graph:
    """The graph, if it has the one input and the one output that the C interface has."""
    tensors = tuple(_tensor(tensor) for tensor in main.tensors)
    operators = tuple(_operator(operator) for operator in main.operators)
    ends = {"input": main.inputs, "output": main.outputs}
    for word, indices in ends.items():
        if len(indices) != 1:
            raise ExportError(f"expected one {word}, the model has {len(indices)}")
        if indices[0] < 0:
            raise ExportError(f"the {word} is no tensor of the model: the file is damaged")
        if tensors[indices[0]].dtype != "int8":
            raise ExportError(
                f"expected an int8 {word}, found {tensors[indices[0]].dtype}: "
                "convert with int8 input and output types"
            )
    output = ends["output"][0]
    return Graph(tensors, _reachable(operators, output), ends["input"][0], output)


def _reachable(operators: tuple[Operator, ...], output: int) -> tuple[Operator, ...]:
    """The operators that the output's values depend on (drops SHAPE, PACK and the like)."""
    wanted = {output}
    kept = []
    for operator in reversed(operators):
        if wanted.intersection(operator.outputs):
            wanted.update(data_inputs(operator))
            kept.append(operator)
    return tuple(reversed(kept))


def _tensor(tensor: graph.Tensor) -> Tensor:
    if min(tensor.shape, default=0) < 0:
        raise ExportError(
            f"tensor {tensor.index} has the shape {tensor.shape}: convert with fixed sizes"
        )
    quantization = tensor.quantization
    return Tensor(
        index=tensor.index,
        name=tensor.name,
        shape=tensor.shape,
        dtype=tensor.dtype.lower(),
        scales=quantization.scales if quantization else (),
        zero_points=quantization.zero_points if quantization else (),
        axis=quantization.dimension if quantization else 0,
        data=_constant(tensor),
    )


def _constant(tensor: graph.Tensor) -> Array | None:
    dtype = tensor.dtype.lower()
    if not tensor.constant or dtype not in _INTEGERS:
        return None
    return tensor.values().astype(dtype)  # out of the file's byte order


def _operator(operator: graph.Operator) -> Operator:
    if operator.name.startswith("BUILTIN_"):
        raise ExportError(
            f"operator {operator.index} has the code {operator.name.removeprefix('BUILTIN_')}, "
            "which this reader's schema does not know: convert the model with an older converter"
        )
    if operator.name in NEEDS_OPTIONS and not operator.options:
        raise ExportError(
            f"operator {operator.index} ({operator.name}) has no options: the file is damaged"
        )
    if min(operator.outputs, default=0) < 0:
        raise ExportError(
            f"operator {operator.index} ({operator.name}) writes to no tensor: the file is damaged"
        )
    return Operator(
        operator.index, operator.name, operator.inputs, operator.outputs, operator.options
    )
