"""What keeps a file from being full INT8: every operator that is custom or computes in float."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hintlite.deploy.tflite.graph import Graph, Model, Operator, Tensor

# INT32: biases, shapes and axes; INT64 and BOOL: indices and masks; INT4: packed weights.
INTEGER_DTYPES = frozenset({"INT4", "INT8", "INT32", "INT64", "BOOL"})
_INDICES = frozenset({"INT32", "INT64"})
_CONVERSIONS = frozenset({"QUANTIZE", "DEQUANTIZE", "CAST"})


@dataclass(frozen=True)
class Fault:
    """One operator, or one end of the model, that is not INT8."""

    operator_index: int | None
    operator: str
    tensor_index: int | None
    tensor: str
    problem: str

    @property
    def between_types(self) -> bool:
        """True for an operator that stands around the culprit and only converts its values."""
        return self.operator in _CONVERSIONS

    def __str__(self) -> str:
        """One sentence that names the place."""
        if self.operator_index is None:
            return f"{self.operator} {self.problem}."
        return f"Operator {self.operator_index} ({self.operator}) {self.problem}."


# TFLite's own INT8 LSTM keeps its cell state in 16 bits (lstm_eval.cc, EvalInteger8x8_16).
_LSTM, _CELL_STATE = "UNIDIRECTIONAL_SEQUENCE_LSTM", 19


def full_int8_faults(model: Model) -> tuple[Fault, ...]:
    """Everything that is not INT8 in a model, in operator order; empty for a full-INT8 file.

    Tensors of INT32, INT64 or BOOL (biases, shapes, indices) and INT4 weights are integer and
    allowed, and so is the INT16 cell state of a fused LSTM; inputs and outputs of the model must be
    INT8, but for inputs of whole numbers that stand for themselves, such as words' numbers.
    """
    return full_integer_faults(model, "INT8")


def full_integer_faults(
    model: Model, activations: str, ends: str | None = None
) -> tuple[Fault, ...]:
    """As `full_int8_faults`, for a file whose inputs and outputs have another type.

    Args:
        model: the file.
        activations: "INT8", or "INT16", which is then allowed within the file too.
        ends: type of the model's inputs and outputs; that of the activations by default. Where it
            is another, the operator that converts an end to it, and no other, may touch it.
    """
    allowed = INTEGER_DTYPES | {activations}
    ends = ends or activations
    outer = {*model.main.inputs, *model.main.outputs} if ends not in allowed else set()
    faults = [
        fault
        for graph in model.graphs
        for fault in _operator_faults(graph, allowed, outer if graph is model.main else set())
    ]
    return (*faults, *_end_faults(model.main, ends))


def _operator_faults(graph: Graph, allowed: frozenset[str], ends: set[int]) -> Iterator[Fault]:
    for operator in graph.operators:
        tensor = _first_foreign_tensor(graph, operator, allowed)
        if operator.custom or operator.name.startswith("Flex"):
            problem = "is a custom operator, for which a plain TFLite runtime has no kernel"
            tensor = None
        elif tensor is None or (operator.name in _CONVERSIONS and tensor.index in ends):
            continue
        else:
            problem = (
                f"works on {tensor.dtype}: its tensor {tensor.index} '{tensor.name}' is not "
                f"{'INT8' if 'INT16' not in allowed else 'integer'}"
            )
        yield Fault(
            operator_index=operator.index,
            operator=operator.name,
            tensor_index=tensor.index if tensor else None,
            tensor=tensor.name if tensor else "",
            problem=problem,
        )


def _first_foreign_tensor(
    graph: Graph, operator: Operator, allowed: frozenset[str]
) -> Tensor | None:
    # Outputs first: their names carry the layer's name, that of an input often "tfl.dequantize".
    state = operator.inputs[_CELL_STATE : _CELL_STATE + 1] if operator.name == _LSTM else ()
    for index in (*operator.outputs, *operator.inputs):
        if index < 0 or graph.tensors[index].dtype in allowed:
            continue
        if index in state and graph.tensors[index].dtype == "INT16":
            continue
        return graph.tensors[index]
    return None


def _end_faults(graph: Graph, ends: str) -> Iterator[Fault]:
    for what, indices in (("input", graph.inputs), ("output", graph.outputs)):
        for position, index in enumerate(indices):
            tensor = graph.tensors[index]
            indices_in = what == "input" and tensor.dtype in _INDICES
            if tensor.dtype != ends and not (indices_in and tensor.quantization is None):
                yield Fault(
                    operator_index=None,
                    operator=f"The model's {what} {position}",
                    tensor_index=index,
                    tensor=tensor.name,
                    problem=f"('{tensor.name}') is {tensor.dtype}, expected {ends}",
                )
