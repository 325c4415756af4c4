"""`hintlite.inspect`: what a `.tflite` file holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hintlite.pipeline.app.python.files import Files, int8_bytes

if TYPE_CHECKING:
    from hintlite.deploy.tflite.inspect import ModelInfo


def inspect(model: Files | bytes | str | Path) -> ModelInfo:
    """Operators, tensors, parameters, MACs, precision and arena of a file, as `hintlite inspect`.

    Args:
        model: files from `hintlite.quantize`, of which the INT8 file is taken; or bytes or path of
            any `.tflite` file, or a bundle.

    Returns:
        `parameters`, `macs`, `precision`, `is_full_int8` with `not_int8_reasons`, `operators`,
        `tensors`, `arena`; `to_dict()` gives all as plain data.

    Raises:
        HintliteError: no such file, or a damaged one.
    """
    from hintlite.deploy.tflite.inspect import inspect as read

    return read(int8_bytes(model), optimal=True)
