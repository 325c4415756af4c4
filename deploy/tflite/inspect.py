"""What a `.tflite` file holds: operators, tensors, parameters, MACs, and is it full INT8."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.full_integer import full_int8_faults, full_integer_faults
from hintlite.deploy.tflite.graph import (
    Graph,
    Model,
    ModelError,
    Operator,
    Options,
    Signature,
    Tensor,
)
from hintlite.deploy.tflite.lifetimes import model_lifetimes
from hintlite.deploy.tflite.macs import count_operator_macs
from hintlite.deploy.tflite.planner import greedy_plan, optimal_plan


@dataclass(frozen=True)
class TensorInfo:
    """One tensor; `scales` and `zero_points` are empty where it is not quantized."""

    index: int
    name: str
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    quantized_dimension: int | None
    constant: bool
    buffer_bytes: int


@dataclass(frozen=True)
class OperatorInfo:
    """One operator of graph number `graph`; an input of -1 is an optional one left out."""

    graph: int
    index: int
    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    input_shapes: tuple[tuple[int, ...], ...]
    output_shapes: tuple[tuple[int, ...], ...]
    options: Options
    parameters: int
    macs: int


@dataclass(frozen=True)
class ArenaInfo:
    """Memory of one inference for activations and scratch buffers, in an interpreter like TFLM's.

    Attributes:
        lower_bound_bytes: the largest sum of tensors that are live together.
        greedy_bytes: the arena of TFLM's planner, greedy by size.
        optimal_bytes: the smallest arena that an integer program found; None if not asked for.
        optimal_gap: share of it that a better plan might still save; 0 if it is proven optimal.
        peak_operator: index of the operator at which most is live; None if it is the input alone.
        peak_tensors: indices of the tensors that are live then, the largest first.
    """

    lower_bound_bytes: int
    greedy_bytes: int
    optimal_bytes: int | None
    optimal_gap: float | None
    peak_operator: int | None
    peak_tensors: tuple[int, ...]


@dataclass(frozen=True)
class ModelInfo:
    """A whole file. `tensors`, `inputs` and `outputs` are those of the main graph.

    `precision` is "int8" (full integer, whatever the type of the ends), "int16x8" (the
    same with INT16 activations), "float16" (weights), "dynamic_range" (integer weights,
    float activations), "float32", or "mixed". `arena` is None where memory cannot be planned (open
    sizes, several graphs).
    """

    file_bytes: int
    sha256: str
    description: str
    schema_version: int
    min_runtime_version: str
    signatures: tuple[Signature, ...]
    operators: tuple[OperatorInfo, ...]
    operator_counts: Mapping[str, int]
    tensors: tuple[TensorInfo, ...]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    parameters: int
    macs: int
    precision: str
    is_full_int8: bool
    not_int8_reasons: tuple[str, ...]
    arena: ArenaInfo | None

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain dicts, lists, numbers and strings, for JSON."""
        return asdict(self)

    def rows(self) -> list[tuple[str, ...]]:
        """One row an operator: index, name, inputs, outputs, options, parameters, MACs."""
        return [
            (
                *(str(operator.index), operator.name),
                " ".join(_shape_text(shape) for shape in operator.input_shapes),
                " ".join(_shape_text(shape) for shape in operator.output_shapes),
                _options_text(operator.options),
                *(f"{operator.parameters:,}", f"{operator.macs:,}"),
            )
            for operator in self.operators
        ]


def inspect(source: bytes | str | Path, optimal: bool = False) -> ModelInfo:
    """Read any `.tflite` file.

    Parameters are the elements of constant weights and biases: constants that are floating point
    or quantized, so that shapes and axes do not count; a buffer that several tensors share counts
    once. MACs: see `macs.count_operator_macs`.

    Args:
        source: the file's bytes, or its path.
        optimal: also look for the smallest arena, which may take `planner.TIME_LIMIT_S`.

    Raises:
        ModelError: no TFLite model, truncated or damaged.
    """
    model = read_model(source)
    operators = tuple(
        _operator_info(number, graph, operator)
        for number, graph in enumerate(model.graphs)
        for operator in graph.operators
    )
    tensors = tuple(_tensor_info(tensor) for tensor in model.main.tensors)
    reasons = tuple(str(fault) for fault in full_int8_faults(model))
    return ModelInfo(
        file_bytes=len(model.content),
        sha256=model.sha256,
        description=model.description,
        schema_version=model.schema_version,
        min_runtime_version=_text(model.metadata.get("min_runtime_version", b"")),
        signatures=model.signatures,
        operators=operators,
        operator_counts=dict(Counter(operator.name for operator in operators)),
        tensors=tensors,
        inputs=tuple(tensors[index] for index in model.main.inputs),
        outputs=tuple(tensors[index] for index in model.main.outputs),
        parameters=count_file_parameters(model),
        macs=sum(operator.macs for operator in operators),
        precision=_precision(model, full_int8=not reasons),
        is_full_int8=not reasons,
        not_int8_reasons=reasons,
        arena=_arena(model, optimal),
    )


def _arena(model: Model, optimal: bool) -> ArenaInfo | None:
    try:
        lifetimes = model_lifetimes(model)
    except ModelError:
        return None
    best = optimal_plan(lifetimes) if optimal else None
    step = lifetimes.peak_step
    live = (buffer.tensor for buffer in lifetimes.live(step))
    return ArenaInfo(
        lower_bound_bytes=lifetimes.lower_bound_bytes,
        greedy_bytes=greedy_plan(lifetimes).arena_bytes,
        optimal_bytes=best.arena_bytes if best else None,
        optimal_gap=best.gap if best else None,
        peak_operator=step - 1 if step else None,
        peak_tensors=tuple(index for index in live if index is not None),
    )


def is_parameter(tensor: Tensor) -> bool:
    """True for a constant weight or bias, False for a shape, an axis or an activation."""
    return tensor.constant and ("FLOAT" in tensor.dtype or tensor.quantization is not None)


def count_file_parameters(model: Model) -> int:
    """Elements of all weights and biases of the file, shared buffers once."""
    by_buffer = {
        tensor.buffer: tensor.elements
        for graph in model.graphs
        for tensor in graph.tensors
        if is_parameter(tensor)
    }
    return sum(by_buffer.values())


def _precision(model: Model, full_int8: bool) -> str:
    """The precision in one word, from the types of weights and activations."""
    tensors = [tensor for graph in model.graphs for tensor in graph.tensors]
    weights = {tensor.dtype for tensor in tensors if is_parameter(tensor)}
    activations = {tensor.dtype for tensor in tensors if not tensor.constant}
    if full_int8:
        return "int8"
    for name, inner, ends in _INTEGER:
        if not full_integer_faults(model, inner, ends):
            return name
    if activations & {"INT8", "UINT8", "INT16"}:
        return "mixed"
    if "FLOAT16" in weights:
        return "float16"
    return "dynamic_range" if weights & {"INT8", "INT4"} else "float32"


# Precision, type of activations, type of the model's inputs and outputs.
_INTEGER = (
    ("int16x8", "INT16", "INT16"),
    ("int8", "INT8", "UINT8"),
    ("int8", "INT8", "FLOAT32"),
    ("int16x8", "INT16", "FLOAT32"),
)


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")


def _operator_info(number: int, graph: Graph, operator: Operator) -> OperatorInfo:
    inputs = [graph.tensors[index] for index in operator.inputs if index >= 0]
    return OperatorInfo(
        graph=number,
        index=operator.index,
        name=operator.name,
        version=operator.version,
        inputs=operator.inputs,
        outputs=operator.outputs,
        input_shapes=tuple(tensor.shape for tensor in inputs),
        output_shapes=tuple(graph.tensors[index].shape for index in operator.outputs),
        options=operator.options,
        parameters=sum(tensor.elements for tensor in inputs if is_parameter(tensor)),
        macs=count_operator_macs(graph, operator),
    )


def _tensor_info(tensor: Tensor) -> TensorInfo:
    quantization = tensor.quantization
    return TensorInfo(
        index=tensor.index,
        name=tensor.name,
        shape=tensor.shape,
        shape_signature=tensor.shape_signature,
        dtype=tensor.dtype,
        scales=quantization.scales if quantization else (),
        zero_points=quantization.zero_points if quantization else (),
        quantized_dimension=quantization.dimension if quantization else None,
        constant=tensor.constant,
        buffer_bytes=0 if tensor.data is None else tensor.data.size,
    )


def _shape_text(shape: tuple[int, ...]) -> str:
    return "x".join(str(size) for size in shape) or "scalar"


def _options_text(options: Options) -> str:
    """The options that say something: padding, stride, window, dilation, activation, axis."""
    parts = [str(options["padding"])] if "padding" in options else []
    for label, height, width in (
        ("stride", "stride_h", "stride_w"),
        ("window", "filter_height", "filter_width"),
        ("dilation", "dilation_h_factor", "dilation_w_factor"),
    ):
        size = (options.get(height, 1), options.get(width, 1))
        parts += [f"{label} {size[0]}x{size[1]}"] if size != (1, 1) else []
    activation = options.get("fused_activation_function", "NONE")
    parts += [str(activation)] if activation != "NONE" else []
    parts += [f"{key} {options[key]}" for key in ("axis", "alpha", "beta") if key in options]
    return ", ".join(parts)
