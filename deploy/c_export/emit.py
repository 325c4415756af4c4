"""C sources from lowered operators and their plan."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hintlite.deploy.c_export.calls import Call, Constant, Operand, Step
from hintlite.deploy.c_export.constants import Arrays, declaration, definition, literal
from hintlite.deploy.c_export.errors import ExportError
from hintlite.deploy.c_export.plan import ARENA_ALIGN, Plan
from hintlite.deploy.tflite.graph import Graph, Tensor

if TYPE_CHECKING:
    import jinja2

RUNTIME = Path(__file__).parent / "runtime"

# `<name>.h` would stand before the header of the same name on the include path. The last line has
# those that the kernels include, and that the C library's own headers include by such a name.
_C_HEADERS = frozenset(
    [
        "assert",
        "complex",
        "ctype",
        "errno",
        "fenv",
        "float",
        "inttypes",
        "iso646",
        "limits",
        "locale",
        "math",
        "setjmp",
        "signal",
        "stdarg",
        "stdbool",
        "stddef",
        "stdint",
        "stdio",
        "stdlib",
        "string",
        "tgmath",
        "time",
        "wchar",
        "wctype",
        *("arm_acle", "arm_mve", "alloca", "endian", "features"),
    ]
)
_C_KEYWORDS = frozenset(
    [
        "auto",
        "break",
        "case",
        "char",
        "const",
        "continue",
        "default",
        "do",
        "double",
        "else",
        "enum",
        "extern",
        "for",
        "goto",
        "if",
        "inline",
        "int",
        "long",
        "register",
        "restrict",
        "return",
        "short",
        "signed",
        "sizeof",
        "static",
        "struct",
        "switch",
        "typedef",
        "union",
        "unsigned",
        "void",
        "volatile",
        "while",
    ]
)


@dataclass(frozen=True)
class Network:
    """All that the sources are made of."""

    name: str
    graph: Graph
    steps: tuple[Step, ...]
    plan: Plan


def check_name(name: str) -> str:
    """A name that can begin C identifiers and file names, or an ExportError."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
        raise ExportError(
            f"expected a name of small letters, digits and underscores that begins with a letter, "
            f"got {name!r}: choose another, such as 'student'"
        )
    if reason := _taken(name):
        raise ExportError(f"the name {name!r} {reason}: choose another, such as 'student'")
    return name


def _taken(name: str) -> str:
    """Why a name cannot be a network's although it could begin identifiers; "" if it can."""
    if name == "example":
        return "is that of the example program, example.c would be written twice"
    if name == "hintlite" or name.startswith("hintlite_"):
        return "is kept for the kernels, whose files and functions begin with hintlite_"
    if name in _C_HEADERS:
        return f"is that of a C header, {name}.h would hide it"
    return "is a keyword of C" if name in _C_KEYWORDS else ""


def header_source(network: Network) -> str:
    """`<name>.h`: the interface."""
    tensors = network.graph.tensors
    source, out = tensors[network.graph.inputs[0]], tensors[network.graph.outputs[0]]
    fields = {
        "name": network.name,
        "NAME": network.name.upper(),
        "arena_bytes": network.plan.arena_bytes,
        "arena_align": ARENA_ALIGN,
        "input": _interface(network.name.upper(), "INPUT", source),
        "output": _interface(network.name.upper(), "OUTPUT", out),
    }
    return filled("network.h", fields)


def _interface(prefix: str, word: str, tensor: Tensor) -> str:
    """Macros for one end: real = (number - ZERO_POINT) * SCALE."""
    shape = ", ".join(str(size) for size in tensor.shape)
    return (
        f"/* int8 [{shape}] */\n"
        f"#define {prefix}_{word}_BYTES {tensor.elements}\n"
        f"#define {prefix}_{word}_SCALE {np.float32(tensor.scale).item()!r}\n"
        f"#define {prefix}_{word}_ZERO_POINT ({tensor.zero_point})"
    )


def filled(name: str, fields: dict[str, object]) -> str:
    """A template of the runtime folder, filled in."""
    return str(_compiled(name).render(fields))


@cache
def _compiled(name: str) -> jinja2.Template:
    import jinja2

    text = (RUNTIME / f"{name}.j2").read_text(encoding="utf-8")
    return jinja2.Template(text, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)


def network_source(network: Network) -> tuple[str, str]:
    """`<name>.c` and `<name>_weights.c`.

    Returns:
        (parameters, tables and `<name>_invoke`; the model's own weights and biases).
    """
    arrays = Arrays(network.name, {})
    structures, body = [], []
    for index, step in enumerate(network.steps):
        for part, call in enumerate(step.calls):
            label = f"k{index}" + (f"_{part}" if len(step.calls) > 1 else "")
            structures.append(_structure(call, label, arrays))
            body.append(_invocation(network, index, call, label, arrays))
        body.append(_trace(network, index, step))
    own = {k: c for k, c in arrays.declared.items() if c.role != "tables"}
    tables = {k: c for k, c in arrays.declared.items() if c.role == "tables"}
    fields: dict[str, object] = {
        "name": network.name,
        "NAME": network.name.upper(),
        "externs": "\n".join(declaration(k, c) for k, c in own.items()),
        "tables": "\n".join(definition(k, c, "static ") for k, c in tables.items()),
        "structures": "\n".join(structures),
        "arena_guard": _arena_guard(network),
        "body": "\n".join(body),
    }
    weights = "\n".join(definition(k, c, "") for k, c in own.items())
    externs = "\n".join(declaration(k, c) for k, c in own.items())
    return filled("network.c", fields), filled(
        "network_weights.c", {"name": network.name, "externs": externs, "weights": weights}
    )


def _structure(call: Call, label: str, arrays: Arrays) -> str:
    kind = _SHARED_PARAMS.get(call.function, f"{call.function}_params")
    lines = [f"static const {kind} {label}_{arrays.name} = {{"]
    for key, value in call.params.items():
        lines.append(f"    .{key} = {literal(value, arrays, f'{label}_{key}')},")
    return "\n".join([*lines, "};"])


_SHARED_PARAMS = {
    "hintlite_average_pool": "hintlite_pool_params",
    "hintlite_max_pool": "hintlite_pool_params",
    "hintlite_add": "hintlite_binary_params",
    "hintlite_mul": "hintlite_binary_params",
    "hintlite_maximum": "hintlite_binary_params",
    "hintlite_minimum": "hintlite_binary_params",
}


def _place(network: Network, tensor: int, offset: int = 0) -> str:
    """The address of a tensor."""
    memory, start = network.plan.places[tensor]
    return memory if start + offset == 0 else f"{memory} + {start + offset}"


def _invocation(network: Network, index: int, call: Call, label: str, arrays: Arrays) -> str:
    def operand(item: Operand, position: int) -> str:
        if isinstance(item, Constant):
            return arrays.reference(item, f"{label}_operand{position}")
        return _place(network, item)

    arguments = [f"&{label}_{network.name}"]
    arguments += [operand(item, i) for i, item in enumerate(call.operands)]
    arguments.append(_place(network, call.output, call.output_offset))
    if index in network.plan.scratch:
        arguments.append(f"arena + {network.plan.scratch[index]}")
    return f"  {call.function}({', '.join(arguments)});"


def _trace(network: Network, index: int, step: Step) -> str:
    """Where a debugger or a profiler may look at a layer's output; nothing in a usual build."""
    size = network.graph.tensors[step.writes].elements
    return f"  HINTLITE_TRACE({index}, {_place(network, step.writes)}, {size});"


def _arena_guard(network: Network) -> str:
    if network.plan.arena_bytes == 0:
        return "  (void)memory;"
    align = f"{network.name.upper()}_ARENA_ALIGN"
    return (
        "  int8_t *arena = (int8_t *)memory;\n"
        f"  if (memory == NULL || ((uintptr_t)memory % {align}) != 0U) {{\n"
        "    return 1;\n"
        "  }"
    )


def kernel_files(steps: Sequence[Step]) -> list[str]:
    """The sources and headers of the runtime that the steps need."""
    sources = sorted({call.source for step in steps for call in step.calls})
    return [*sources, *sorted(path.name for path in RUNTIME.glob("*.h"))]


def build_source(template: str, network: Network, sources: Sequence[str]) -> str:
    """A file that goes with the sources: the example or a build file.

    Args:
        template: its name in the runtime folder.
        network: for the names.
        sources: the kernels' .c files.
    """
    fields: dict[str, object] = {
        "name": network.name,
        "NAME": network.name.upper(),
        "sources": " ".join([f"{network.name}.c", f"{network.name}_weights.c", *sources]),
    }
    return filled(template, fields)


def weight_bytes(network: Network) -> int:
    """Bytes of the model's own weights and biases as they are stored."""
    arrays = [v for s in network.steps for c in s.calls for v in c.params.values()]
    operands = [o for s in network.steps for c in s.calls for o in c.operands]
    return sum(
        item.values.nbytes
        for item in (*arrays, *operands)
        if isinstance(item, Constant) and item.role != "tables"
    )
