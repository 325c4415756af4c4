"""Constants as C: names for arrays, and literals for what parameters hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hintlite.deploy.c_export.calls import Constant, Value
from hintlite.deploy.tflite.graph import Array


@dataclass
class Arrays:
    """Names for constants; equal tables are written once."""

    name: str
    declared: dict[str, Constant]

    def reference(self, constant: Constant, hint: str) -> str:
        """The name of an array, declared now if it is a new one."""
        for identifier, known in self.declared.items():
            if known.role == constant.role == "tables" and _same(known, constant):
                return identifier
        identifier = f"{self.name}_{hint}"
        self.declared[identifier] = constant
        return identifier


def _same(a: Constant, b: Constant) -> bool:
    return a.values.dtype == b.values.dtype and np.array_equal(a.values, b.values)


def literal(value: Value, arrays: Arrays, hint: str) -> str:
    """A parameter's value in C; `hint` names it if it is an array."""
    if isinstance(value, Constant):
        return arrays.reference(value, hint)
    if isinstance(value, tuple):
        return "{" + ", ".join(_integer(v) for v in value) + "}"
    return _integer(value)


def _integer(value: int) -> str:
    """INT32_MIN has no literal of its own type in C."""
    return "(-2147483647 - 1)" if value == -(2**31) else str(value)


def declaration(identifier: str, constant: Constant) -> str:
    """An array that another file defines."""
    return f"extern const {constant.ctype} {identifier}[{constant.values.size}];"


def definition(identifier: str, constant: Constant, storage: str) -> str:
    """An array with its values; `storage` is "static " or nothing."""
    head = f"{storage}const {constant.ctype} {identifier}[{constant.values.size}] = {{"
    return "\n".join([head, *_rows(constant), "};"])


def _rows(constant: Constant) -> Iterator[str]:
    values: Array = constant.values
    for start in range(0, values.size, 16):
        yield "  " + ", ".join(_integer(v) for v in values[start : start + 16].tolist()) + ","
