"""Reading a `.tflite` file through the `tflite` schema module, with every reference checked.

Whatever a file holds, reading it ends in a `Model` or in a `ModelError`.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import tflite
from tflite.utils import BUILTIN_OPCODE2NAME

from hintlite.deploy.tflite.graph import (
    BITS,
    Array,
    Graph,
    Model,
    ModelError,
    Operator,
    Quantization,
    Signature,
    Tensor,
)
from hintlite.deploy.tflite.operator_options import read_options

IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
SMALLEST_FILE_BYTES = 16

DTYPE_NAMES: dict[int, str] = {
    code: name for name, code in vars(tflite.TensorType).items() if isinstance(code, int)
}


def load_bytes(source: bytes | str | Path) -> bytes:
    """The bytes of a model given as bytes or as a path.

    Raises:
        ModelError: the file is missing, unreadable, or does not start like a TFLite model.
    """
    if isinstance(source, bytes):
        content, name = source, "The model"
    else:
        name = str(source)
        try:
            content = Path(source).read_bytes()
        except OSError as error:
            raise ModelError(f"Cannot read the model {name}: {error.strerror or error}.") from error
    if len(content) < SMALLEST_FILE_BYTES or content[4:8] != IDENTIFIER:
        raise ModelError(
            f"{name} is not a TFLite model: bytes 4 to 8 must be {IDENTIFIER!r}, got "
            f"{content[4:8]!r} in a file of {len(content)} bytes. Give a .tflite file."
        )
    return content


def read_model(source: bytes | str | Path) -> Model:
    """Read a whole model and check that everything in it points inside it.

    Args:
        source: the file's bytes, or its path.

    Raises:
        ModelError: not a TFLite model, truncated or damaged.
    """
    content = load_bytes(source)
    name = "The model" if isinstance(source, bytes) else str(source)
    try:
        return _read(content)
    except ModelError as error:
        raise ModelError(f"{name} is damaged: {error} Get a fresh copy of the file.") from error
    except (struct.error, IndexError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise ModelError(
            f"{name} is damaged: its content points outside its {len(content)} bytes ({error}). "
            "Get a fresh copy of the file."
        ) from error


def _read(content: bytes) -> Model:
    """Read all tables of the file; errors of the schema module pass through."""
    root = tflite.Model.GetRootAs(content)
    if root.Version() != SCHEMA_VERSION:
        raise ModelError(f"expected schema version {SCHEMA_VERSION}, got {root.Version()}.")
    buffers = [_buffer(root.Buffers(i), content) for i in _each(root.BuffersLength(), content)]
    codes = [
        _operator_code(root.OperatorCodes(i)) for i in _each(root.OperatorCodesLength(), content)
    ]
    graphs = tuple(
        _graph(root.Subgraphs(i), buffers, codes, content)
        for i in _each(root.SubgraphsLength(), content)
    )
    if not graphs:
        raise ModelError("it holds no graph.")
    return Model(
        content=content,
        description=_text(root.Description()),
        schema_version=root.Version(),
        graphs=graphs,
        signatures=_signatures(root, graphs, content),
        metadata=_metadata(root, buffers, content),
    )


def _each(count: int, content: bytes) -> range:
    """Indices of a vector; a damaged length must not be looped over for hours."""
    if count * 4 > len(content):
        raise ModelError(f"a list of {count} entries does not fit into {len(content)} bytes.")
    return range(count)


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


def _indices(values: Any, limit: int, what: str) -> tuple[int, ...]:
    """A vector of tensor indices (the schema module gives the number 0 for an absent one)."""
    indices = tuple(int(value) for value in np.atleast_1d(values)) if np.ndim(values) else ()
    for index in indices:
        if not -1 <= index < limit:
            raise ModelError(f"{what} names tensor {index}, but the graph has {limit} tensors.")
    return indices


def _buffer(table: Any, content: bytes) -> Array | None:
    """A view of one buffer's bytes, None where it is empty."""
    if table.Offset() > 1:  # Files above 2 GB keep their data behind the flatbuffer.
        return np.frombuffer(content, np.uint8, count=table.Size(), offset=table.Offset())
    return table.DataAsNumpy() if table.DataLength() else None


def _operator_code(table: Any) -> tuple[str, int, bool]:
    """(name, version, custom?); files of before 2020 keep the code in the deprecated field."""
    code = max(table.BuiltinCode(), table.DeprecatedBuiltinCode())
    if code == tflite.BuiltinOperator.CUSTOM:
        return _text(table.CustomCode()), table.Version(), True
    return BUILTIN_OPCODE2NAME.get(code, f"BUILTIN_{code}"), table.Version(), False


def _graph(
    table: Any, buffers: list[Any], codes: list[tuple[str, int, bool]], content: bytes
) -> Graph:
    tensors = tuple(
        _tensor(i, table.Tensors(i), buffers) for i in _each(table.TensorsLength(), content)
    )
    operators = tuple(
        _operator(i, table.Operators(i), codes, len(tensors))
        for i in _each(table.OperatorsLength(), content)
    )
    return Graph(
        name=_text(table.Name()),
        tensors=tensors,
        operators=operators,
        inputs=_indices(table.InputsAsNumpy(), len(tensors), "the input list"),
        outputs=_indices(table.OutputsAsNumpy(), len(tensors), "the output list"),
    )


def _tensor(index: int, table: Any, buffers: list[Any]) -> Tensor:
    if not 0 <= table.Buffer() < len(buffers):
        raise ModelError(f"tensor {index} names buffer {table.Buffer()} of {len(buffers)}.")
    shape = tuple(table.ShapeAsNumpy().tolist()) if table.ShapeLength() else ()
    signature = table.ShapeSignatureAsNumpy() if table.ShapeSignatureLength() else shape
    tensor = Tensor(
        index=index,
        name=_text(table.Name()),
        shape=shape,
        shape_signature=tuple(int(size) for size in signature),
        dtype=DTYPE_NAMES.get(table.Type(), f"TYPE_{table.Type()}"),
        quantization=_quantization(index, table.Quantization(), shape),
        buffer=table.Buffer(),
        data=buffers[table.Buffer()],
        sparse=table.Sparsity() is not None,
    )
    _check_data(tensor)
    return tensor


def _check_data(tensor: Tensor) -> None:
    """A constant must hold as many bytes as its shape and type ask for."""
    if tensor.data is None or tensor.sparse or tensor.dtype not in BITS:
        return
    expected = (tensor.elements * BITS[tensor.dtype] + 7) // 8
    if tensor.data.size != expected:
        raise ModelError(
            f"tensor {tensor.index} ({tensor.name}) of {tensor.dtype} {list(tensor.shape)} takes "
            f"{expected} bytes, but its buffer holds {tensor.data.size}."
        )


def _quantization(index: int, table: Any, shape: tuple[int, ...]) -> Quantization | None:
    if table is None or not table.ScaleLength():
        return None
    scales = tuple(float(scale) for scale in table.ScaleAsNumpy())
    points = table.ZeroPointAsNumpy() if table.ZeroPointLength() else np.zeros(len(scales), int)
    dimension = table.QuantizedDimension()
    channels = shape[dimension] if 0 <= dimension < len(shape) else 1
    if len(points) != len(scales) or len(scales) not in {1, channels}:
        raise ModelError(
            f"tensor {index} of shape {list(shape)} has {len(scales)} scales and {len(points)} "
            f"zero points along dimension {dimension}."
        )
    return Quantization(scales, tuple(int(point) for point in points), dimension)


def _operator(index: int, table: Any, codes: list[tuple[str, int, bool]], tensors: int) -> Operator:
    if not 0 <= table.OpcodeIndex() < len(codes):
        raise ModelError(f"operator {index} has code {table.OpcodeIndex()} of {len(codes)}.")
    name, version, custom = codes[table.OpcodeIndex()]
    return Operator(
        index=index,
        name=name,
        version=version,
        custom=custom,
        inputs=_indices(table.InputsAsNumpy(), tensors, f"operator {index} ({name})"),
        outputs=_indices(table.OutputsAsNumpy(), tensors, f"operator {index} ({name})"),
        options=read_options(table),
    )


def _signatures(root: Any, graphs: tuple[Graph, ...], content: bytes) -> tuple[Signature, ...]:
    signatures = []
    for i in _each(root.SignatureDefsLength(), content):
        table = root.SignatureDefs(i)
        tensors = len(graphs[table.SubgraphIndex()].tensors)
        names = [
            {
                _text(get(j).Name()): _indices([get(j).TensorIndex()], tensors, "a signature")[0]
                for j in _each(count, content)
            }
            for get, count in (
                (table.Inputs, table.InputsLength()),
                (table.Outputs, table.OutputsLength()),
            )
        ]
        signatures.append(Signature(_text(table.SignatureKey()), names[0], names[1]))
    return tuple(signatures)


def _metadata(root: Any, buffers: list[Any], content: bytes) -> dict[str, bytes]:
    metadata = {}
    for i in _each(root.MetadataLength(), content):
        table = root.Metadata(i)
        data = buffers[table.Buffer()]
        metadata[_text(table.Name())] = b"" if data is None else data.tobytes()
    return metadata
