"""A full-INT8 flatbuffer as the graph that becomes C: one input, one output, no shapes computed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hintlite.deploy.c_export.errors import ExportError
from hintlite.deploy.tflite import flatbuffer
from hintlite.deploy.tflite.graph import Graph, ModelError, Operator, Tensor

# Kinds that cannot be computed without the options of their schema table.
NEEDS_OPTIONS = frozenset(
    {
        *("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "SUB", "MUL"),
        *("AVERAGE_POOL_2D", "MAX_POOL_2D", "CONCATENATION", "SOFTMAX", "LEAKY_RELU"),
    }
)
# Operands that only say a shape: the tensors of the flatbuffer carry the shapes already.
_SHAPE_OPERANDS = {"RESHAPE": (1,), "EXPAND_DIMS": (1,)}


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
    except ModelError as error:
        raise ExportError(str(error)) from error
    if len(graphs) != 1:
        raise ExportError(f"expected one subgraph, the model has {len(graphs)}")
    graph = graphs[0]
    for tensor in graph.tensors:
        _check_shape(tensor)
    for operator in graph.operators:
        _check_operator(operator)
    _check_ends(graph)
    return replace(graph, operators=_reachable(graph))


def _check_ends(graph: Graph) -> None:
    """The one input and the one output that the C interface has."""
    for word, indices in {"input": graph.inputs, "output": graph.outputs}.items():
        if len(indices) != 1:
            raise ExportError(
                f"plain C has one {word}, the model has {len(indices)}: `hintlite benchmark FILE "
                "--target tflm` runs it in TensorFlow Lite Micro's interpreter"
            )
        if indices[0] < 0:
            raise ExportError(f"the {word} is no tensor of the model: the file is damaged")
        found = graph.tensors[indices[0]].dtype
        if found != "INT8":
            raise ExportError(
                f"expected an int8 {word}, found {found.lower()}: "
                "convert with int8 input and output types"
            )


def _reachable(graph: Graph) -> tuple[Operator, ...]:
    """The operators that the output's values depend on (drops SHAPE, PACK and the like)."""
    wanted = set(graph.outputs)
    kept = []
    for operator in reversed(graph.operators):
        if wanted.intersection(operator.outputs):
            wanted.update(_data_inputs(operator))
            kept.append(operator)
    return tuple(reversed(kept))


def _data_inputs(operator: Operator) -> tuple[int, ...]:
    """The operands that carry values: absent ones and mere shapes left out."""
    skipped = _SHAPE_OPERANDS.get(operator.name, ())
    return tuple(t for i, t in enumerate(operator.inputs) if t >= 0 and i not in skipped)


def _check_shape(tensor: Tensor) -> None:
    if min(tensor.shape, default=0) < 0:
        raise ExportError(
            f"tensor {tensor.index} has the shape {tensor.shape}: convert with fixed sizes"
        )


def _check_operator(operator: Operator) -> None:
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
