"""Sizes of C structures on a 32-bit microcontroller and on a 64-bit host."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

_FIXED = {"b": 1, "h": 2, "i": 4, "d": 8}
_FIELD = re.compile(r"(\d*)([bhidp])")


@dataclass(frozen=True)
class Abi:
    """A data model: `int`, `float` and enumerations take 4 bytes, all types are self-aligned."""

    name: str
    pointer_bytes: int


ILP32 = Abi("ILP32", 4)  # Arm AAPCS, Xtensa and RISC-V of microcontrollers
LP64 = Abi("LP64", 8)  # x86-64 Linux


@cache
def layout(fields: str, abi: Abi) -> tuple[int, int]:
    """Size and alignment of a structure.

    Args:
        fields: its members in order, such as "2ipb": `i` an int32, float or enumeration, `p` a
            pointer, size_t or intptr_t, `b` a bool or int8, `h` an int16, `d` a double; a number
            before a letter repeats it.
        abi: the data model.

    Returns:
        (sizeof, alignof) in bytes; sizeof is a multiple of alignof, and at least 1.
    """
    offset, alignment = 0, 1
    for count, code in _FIELD.findall(fields):
        size = _FIXED.get(code, abi.pointer_bytes)
        alignment = max(alignment, size)
        offset = align_up(offset, size) + size * int(count or 1)
    return max(align_up(offset, alignment), 1), alignment


def align_up(size: int, alignment: int) -> int:
    """The next multiple of the alignment."""
    return -(-size // alignment) * alignment
