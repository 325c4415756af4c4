"""What lowering hands to the planner and to the emitter: kernel calls with folded constants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hintlite.deploy.tflite.graph import Array, Operator


@dataclass(frozen=True)
class Constant:
    """An array of the C source.

    Args:
        values: one dimension, int8 or int32.
        role: "weights" or "biases" (the model's own numbers), or "tables" (what lowering adds).
    """

    values: Array
    role: str

    @property
    def ctype(self) -> str:
        """The element type in C."""
        return {np.dtype(np.int8): "int8_t", np.dtype(np.int32): "int32_t"}[self.values.dtype]


Value = int | tuple[int, ...] | Constant
Operand = int | Constant  # a tensor's index, or values that stand in the C source


@dataclass(frozen=True)
class Call:
    """`function(&params, operands..., output + offset[, scratch])`."""

    function: str
    source: str
    params: Mapping[str, Value]
    operands: tuple[Operand, ...]
    output: int
    output_offset: int = 0


@dataclass(frozen=True)
class Step:
    """One operator as kernel calls.

    Args:
        operator: what it came from.
        calls: in order; none if the output is its input under another shape (`alias`).
        reads: tensors (not constants) that are read.
        writes: the tensor that is written.
        scratch_bytes: memory that the calls need besides.
        in_place: tensors whose memory the output may take over while it is computed.
        alias: the output is the same bytes as the first tensor read.
    """

    operator: Operator
    calls: tuple[Call, ...]
    reads: tuple[int, ...]
    writes: int
    scratch_bytes: int = 0
    in_place: tuple[int, ...] = field(default=())
    alias: bool = False
