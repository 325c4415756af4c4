"""The options of an operator (stride, padding, fused activation, ...) by the schema's names."""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import Any

import tflite

from hintlite.deploy.tflite.graph import ModelError, Options

# A zero in one of these divides by zero inside the interpreter's kernels.
_AT_LEAST_ONE = {
    *{"stride_w", "stride_h", "dilation_w_factor", "dilation_h_factor"},
    *{"filter_width", "filter_height", "block_size"},
}
_NO_FIELD = re.compile(r"^(_|GetRootAs|Init$|.*(BufferHasIdentifier|Length|AsNumpy|IsNone)$)")


def _names(enumeration: Any) -> dict[int, str]:
    return {code: name for name, code in vars(enumeration).items() if isinstance(code, int)}


_OPTION_TABLES = _names(tflite.BuiltinOptions)
_ENUMERATIONS = {
    "padding": _names(tflite.Padding),
    "fused_activation_function": _names(tflite.ActivationFunctionType),
    "weights_format": _names(tflite.FullyConnectedOptionsWeightsFormat),
    "mode": _names(tflite.MirrorPadMode),
}


@cache
def _fields(table_name: str) -> tuple[tuple[str, str], ...]:
    """(method, field name) of every field of an options table of the schema."""
    table = getattr(tflite, table_name)
    methods = [name for name, _ in inspect.getmembers(table, inspect.isfunction)]
    return tuple((name, _snake(name)) for name in methods if not _NO_FIELD.match(name))


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def read_options(operator: Any) -> Options:
    """All fields of an operator's built-in options, enumerations by name.

    Args:
        operator: a `tflite.Operator` table.

    Returns:
        Field name -> value, e.g. `{"padding": "SAME", "stride_w": 1, ...}`; empty for an operator
        without built-in options.

    Raises:
        ModelError: a size is zero that the kernels divide by.
    """
    kind = _OPTION_TABLES.get(operator.BuiltinOptionsType(), "NONE")
    union = operator.BuiltinOptions()
    if kind == "NONE" or union is None or not hasattr(tflite, kind):
        return {}
    table = getattr(tflite, kind)()
    table.Init(union.Bytes, union.Pos)
    options = {field: _value(table, method, field) for method, field in _fields(kind)}
    for field in _AT_LEAST_ONE & options.keys():
        if int(options[field]) < 1:
            raise ModelError(f"an operator has {field} {options[field]}, which must be at least 1.")
    return options


def _value(table: Any, method: str, field: str) -> Any:
    """One field: a vector as a tuple, an enumeration by name, a number as it is."""
    if hasattr(table, f"{method}AsNumpy"):
        vector = getattr(table, f"{method}AsNumpy")()
        return tuple(vector.tolist()) if hasattr(vector, "tolist") else ()
    value = getattr(table, method)()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return _ENUMERATIONS.get(field, {}).get(value, value)
