"""The parts of a `.tflite` file as plain Python objects: tensors, operators, graphs, the model.

`flatbuffer.read_model` makes them. Weights stay views of the bytes that were read.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintlite.errors import WRONG_USE, HintliteError

# Bits of one element; a type that is not here (STRING, RESOURCE, ...) has no fixed size.
_TYPES_BY_BITS = {
    4: ("INT4",),
    8: ("INT8", "UINT8", "BOOL"),
    16: ("INT16", "UINT16", "FLOAT16", "BFLOAT16"),
    32: ("INT32", "UINT32", "FLOAT32"),
    64: ("INT64", "UINT64", "FLOAT64", "COMPLEX64"),
    128: ("COMPLEX128",),
}
BITS = {name: bits for bits, names in _TYPES_BY_BITS.items() for name in names}
NUMPY_DTYPES = {
    name: np.dtype(name.lower()).newbyteorder("<")
    for name in BITS
    if name not in {"INT4", "BFLOAT16"}
}

STATEFUL = frozenset(
    {"SVDF", "RNN", "LSTM"}
    | {f"{way}DIRECTIONAL_SEQUENCE_{kind}" for way in ("UNI", "BI") for kind in ("LSTM", "RNN")}
)

Array = NDArray[Any]
Options = Mapping[str, int | float | bool | str | tuple[int, ...]]


class ModelError(HintliteError):
    """A file that is no TFLite model, or one that cannot be used as asked."""

    exit_code = WRONG_USE


@dataclass(frozen=True)
class Quantization:
    """`real = scale * (q - zero_point)`, one pair a tensor or one a slice of `dimension`."""

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    dimension: int

    @property
    def per_channel(self) -> bool:
        """True where every slice along `dimension` has a scale of its own."""
        return len(self.scales) > 1


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor of a graph; `data` holds the raw bytes of a constant, else None."""

    index: int
    name: str
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...]
    dtype: str
    quantization: Quantization | None
    buffer: int
    data: Array | None
    sparse: bool

    @property
    def constant(self) -> bool:
        """True where the file holds the tensor's values."""
        return self.data is not None

    @property
    def elements(self) -> int:
        """Number of elements; an unknown dimension counts as 1."""
        return math.prod(1 if size < 0 else size for size in self.shape)

    @property
    def scales(self) -> tuple[float, ...]:
        """Of the whole tensor or one a channel; none where it is not quantized."""
        return self.quantization.scales if self.quantization else ()

    @property
    def scale(self) -> float:
        """The scale of a tensor that is quantized as a whole.

        Raises:
            ModelError: it has another number of scales than one.
        """
        if len(self.scales) != 1:
            raise ModelError(
                f"tensor {self.index} ({self.name!r}) should have one scale, it has "
                f"{len(self.scales)}: convert the model to full INT8"
            )
        return self.scales[0]

    @property
    def zero_point(self) -> int:
        """The zero point of a tensor that is quantized as a whole; 0 of one that is not."""
        return self.quantization.zero_points[0] if self.quantization else 0

    def values(self) -> Array:
        """The constant's stored values in the tensor's shape (4-bit integers unpacked to int8).

        Raises:
            ModelError: the tensor is no dense constant of a known type.
        """
        if self.data is None or self.sparse or self.dtype not in {*NUMPY_DTYPES, "INT4"}:
            raise ModelError(
                f"Tensor {self.index} ({self.name}) holds no dense {self.dtype} values to read."
            )
        if self.dtype == "INT4":
            return _unpack_int4(self.data, self.elements).reshape(self.shape)
        return self.data.view(NUMPY_DTYPES[self.dtype]).reshape(self.shape)

    def real_values(self) -> Array:
        """The constant's values as real numbers (float64), dequantized where it is quantized."""
        stored = self.values().astype(np.float64)
        if self.quantization is None:
            return stored
        scales, zero_points = self.broadcast_quantization()
        return scales * (stored - zero_points)

    def broadcast_quantization(self) -> tuple[Array, Array]:
        """Scales and zero points (float64), shaped to broadcast over the tensor.

        Raises:
            ModelError: the tensor is not quantized.
        """
        if self.quantization is None:
            raise ModelError(f"Tensor {self.index} ({self.name}) is not quantized.")
        shape = [1] * len(self.shape)
        if self.quantization.per_channel:
            shape[self.quantization.dimension] = -1
        scales = np.array(self.quantization.scales, np.float64).reshape(shape)
        return scales, np.array(self.quantization.zero_points, np.float64).reshape(shape)


@dataclass(frozen=True)
class Operator:
    """One operator; an input of -1 is an optional input left out."""

    index: int
    name: str
    version: int
    custom: bool
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options

    def number(self, name: str) -> float:
        """A numeric option by the schema's name, such as `alpha`.

        Raises:
            ModelError: it is no number.
            KeyError: the operator has no such option.
        """
        value = self.options[name]
        if isinstance(value, str | tuple):
            raise ModelError(f"{self.name} has {name} {value!r}, expected a number")
        return value

    def integer(self, name: str) -> int:
        """An integer option, such as `stride_h`; see `number`."""
        return int(self.number(name))


@dataclass(frozen=True)
class Graph:
    """One subgraph: the main one is the first, the others are bodies of control flow."""

    name: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def keeps_state(self) -> bool:
        """Whether an operator remembers from one inference to the next, as an LSTM does."""
        return any(operator.name in STATEFUL for operator in self.operators)


@dataclass(frozen=True)
class Signature:
    """A named entry point: tensor names a caller uses, by graph tensor index."""

    key: str
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Model:
    """A whole file."""

    content: bytes
    description: str
    schema_version: int
    graphs: tuple[Graph, ...]
    signatures: tuple[Signature, ...]
    metadata: Mapping[str, bytes]

    @property
    def main(self) -> Graph:
        """The graph that the interpreter runs."""
        return self.graphs[0]

    @cached_property
    def sha256(self) -> str:
        """Of the file's bytes."""
        return hashlib.sha256(self.content).hexdigest()


def _unpack_int4(data: Array, elements: int) -> Array:
    """Two values a byte, the low nibble first, sign-extended."""
    nibbles = np.stack([data & 0x0F, data >> 4], axis=-1).reshape(-1)[:elements]
    return ((nibbles.astype(np.int8) ^ 8) - 8).astype(np.int8)
