"""The small typed graph that a flatbuffer becomes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hintlite.deploy.tflite.graph import Options
from hintlite.errors import HintliteError

Array = npt.NDArray[Any]

# Operands that only say a shape: the tensors of the flatbuffer carry the shapes already.
_SHAPE_OPERANDS = {"RESHAPE": (1,)}


class ExportError(HintliteError):
    """A model that cannot become C; the message says what, where and what to do."""


@dataclass(frozen=True)
class Tensor:
    """One tensor: `scales` has one entry, or one a channel along `axis`; `data` if constant."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int
    data: Array | None

    @property
    def scale(self) -> float:
        """The scale of a tensor that is quantized as a whole."""
        if len(self.scales) != 1:
            raise ExportError(
                f"tensor {self.index} ({self.name!r}) should have one scale, "
                f"it has {len(self.scales)}: convert the model to full INT8"
            )
        return self.scales[0]

    @property
    def zero_point(self) -> int:
        """The zero point of a tensor that is quantized as a whole."""
        return self.zero_points[0] if self.zero_points else 0

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Operator:
    """One operator; an operand that is absent has the index -1."""

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options = field(default_factory=dict)

    def option(self, name: str) -> int:
        """An integer option by the schema's name, as in `stride_h`."""
        return int(self.number(name))

    def number(self, name: str) -> float:
        """A numeric option."""
        value = self.options[name]
        if isinstance(value, str | tuple):
            raise ExportError(f"{self.kind} has {name} {value!r}, expected a number")
        return value


@dataclass(frozen=True)
class Graph:
    """Operators in order of execution, with one int8 input and one int8 output tensor."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    input: int
    output: int


def data_inputs(operator: Operator) -> tuple[int, ...]:
    """The operands that carry values: absent ones and mere shapes left out."""
    skipped = _SHAPE_OPERANDS.get(operator.kind, ())
    return tuple(t for i, t in enumerate(operator.inputs) if t >= 0 and i not in skipped)
