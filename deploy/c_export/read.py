"""A full-INT8 flatbuffer, read into a typed graph."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from deploy.c_export.graph import Array, ExportError, Graph, Operator, Tensor, data_inputs

# What the flatbuffer's accessors raise where an offset or a length in the file is wrong.
_DAMAGE = (
    struct.error,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
)

_STEPS = ("Padding", "StrideH", "StrideW")
_DILATION = ("DilationHFactor", "DilationWFactor")
_FILTER = ("FilterHeight", "FilterWidth")
_FUSED = "FusedActivationFunction"
# kind -> (options class of the schema, its fields); a kind that is absent has no options.
OPTION_FIELDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "CONV_2D": ("Conv2DOptions", (*_STEPS, *_DILATION, _FUSED)),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", (*_STEPS, *_DILATION, _FUSED)),
    "FULLY_CONNECTED": ("FullyConnectedOptions", ("WeightsFormat", _FUSED)),
    "ADD": ("AddOptions", (_FUSED,)),
    "SUB": ("SubOptions", (_FUSED,)),
    "MUL": ("MulOptions", (_FUSED,)),
    "AVERAGE_POOL_2D": ("Pool2DOptions", (*_STEPS, *_FILTER, _FUSED)),
    "MAX_POOL_2D": ("Pool2DOptions", (*_STEPS, *_FILTER, _FUSED)),
    "CONCATENATION": ("ConcatenationOptions", ("Axis", _FUSED)),
    "SOFTMAX": ("SoftmaxOptions", ("Beta",)),
    "LEAKY_RELU": ("LeakyReluOptions", ("Alpha",)),
}


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
    content = model if isinstance(model, bytes) else Path(model).read_bytes()
    if content[4:8] != b"TFL3":
        raise ExportError("expected a TFLite flatbuffer (identifier TFL3), found something else")
    try:
        return _read(content)
    except ExportError:
        raise
    except _DAMAGE as error:
        raise ExportError(
            f"the model is damaged or no TFLite file ({type(error).__name__}: {error}): "
            "convert or copy it again"
        ) from error


def _read(content: bytes) -> Graph:
    import tflite

    root = tflite.Model.GetRootAsModel(content, 0)
    if root.SubgraphsLength() != 1:
        raise ExportError(f"expected one subgraph, the model has {root.SubgraphsLength()}")
    subgraph = root.Subgraphs(0)
    tensors = tuple(_tensor(root, subgraph, i) for i in range(subgraph.TensorsLength()))
    operators = tuple(_operator(root, subgraph, i) for i in range(subgraph.OperatorsLength()))
    _check_indices(tensors, operators)
    return _checked(subgraph, tensors, operators)


def _check_indices(tensors: tuple[Tensor, ...], operators: tuple[Operator, ...]) -> None:
    """Tensors have possible shapes, and operators name tensors that exist (-1: an absent one)."""
    for tensor in tensors:
        if min(tensor.shape, default=0) < 0:
            raise ExportError(
                f"tensor {tensor.index} has the shape {tensor.shape}: convert with fixed sizes"
            )
    for operator in operators:
        wrong = [i for i in operator.inputs if not -1 <= i < len(tensors)]
        wrong += [i for i in operator.outputs if not 0 <= i < len(tensors)]
        if wrong:
            raise ExportError(
                f"operator {operator.index} ({operator.kind}) names tensors {wrong}, the model has "
                f"{len(tensors)}: the file is damaged"
            )


def _checked(subgraph: Any, tensors: tuple[Tensor, ...], operators: tuple[Operator, ...]) -> Graph:
    """The graph, if it has the one input and the one output that the C interface has."""
    ends = {
        "input": [int(i) for i in subgraph.InputsAsNumpy()],
        "output": [int(i) for i in subgraph.OutputsAsNumpy()],
    }
    for word, indices in ends.items():
        if len(indices) != 1:
            raise ExportError(f"expected one {word}, the model has {len(indices)}")
        if not 0 <= indices[0] < len(tensors):
            raise ExportError(
                f"the {word} is tensor {indices[0]} of {len(tensors)}: the file is damaged"
            )
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


@cache
def _names(enumeration: str) -> dict[int, str]:
    import tflite

    values = vars(getattr(tflite, enumeration)).items()
    return {value: name for name, value in values if isinstance(value, int)}


def _tensor(root: Any, subgraph: Any, index: int) -> Tensor:
    tensor = subgraph.Tensors(index)
    quantization = tensor.Quantization()
    count = quantization.ScaleLength() if quantization is not None else 0
    dtype = _names("TensorType")[tensor.Type()].lower()
    shape = tuple(int(tensor.Shape(i)) for i in range(tensor.ShapeLength()))
    return Tensor(
        index=index,
        name=(tensor.Name() or b"").decode(),
        shape=shape,
        dtype=dtype,
        scales=tuple(float(quantization.Scale(i)) for i in range(count)),
        zero_points=tuple(int(quantization.ZeroPoint(i)) for i in range(count)),
        axis=int(quantization.QuantizedDimension()) if quantization is not None else 0,
        data=_constant(root.Buffers(tensor.Buffer()), dtype, shape),
    )


def _constant(buffer: Any, dtype: str, shape: tuple[int, ...]) -> Array | None:
    if buffer.DataLength() == 0 or dtype not in ("int8", "int32", "int64"):
        return None
    little = np.dtype(dtype).newbyteorder("<")
    return buffer.DataAsNumpy().view(little).astype(dtype).reshape(shape)


def _operator(root: Any, subgraph: Any, index: int) -> Operator:
    operator = subgraph.Operators(index)
    code = root.OperatorCodes(operator.OpcodeIndex())
    # Files older than schema 3a keep small codes in the deprecated field.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    kind = _names("BuiltinOperator").get(number)
    if kind is None:
        raise ExportError(
            f"operator {index} has the code {number}, which this reader's schema does not know: "
            "convert the model with an older converter"
        )
    return Operator(
        index=index,
        kind=kind,
        inputs=tuple(int(operator.Inputs(i)) for i in range(operator.InputsLength())),
        outputs=tuple(int(operator.Outputs(i)) for i in range(operator.OutputsLength())),
        options=_options(operator, kind, index),
    )


def _options(operator: Any, kind: str, index: int) -> dict[str, float]:
    if kind not in OPTION_FIELDS:
        return {}
    import tflite

    table = operator.BuiltinOptions()
    class_name, names = OPTION_FIELDS[kind]
    options = getattr(tflite, class_name)()
    if table is None:
        raise ExportError(f"operator {index} ({kind}) has no options: the file is damaged")
    options.Init(table.Bytes, table.Pos)
    return {name: getattr(options, name)() for name in names}
