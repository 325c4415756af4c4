"""`hintlite.export_c`: the INT8 network as plain C99."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hintlite.pipeline.app.python.files import Files, int8_source

if TYPE_CHECKING:
    from hintlite.deploy.c_export.export import CExport


def export_c(
    files: Files | bytes | str | Path, folder: str | Path, name: str = "network"
) -> CExport:
    """Writes the INT8 network as C: kernels, weights, example, Makefile, CMakeLists.txt.

    Of a bundle, its labels, the way from raw values to the input and a sample are written too.

    No interpreter, no allocator, no floating point; the bits are those of TensorFlow Lite Micro's
    reference kernels (docs/plain_c.md).

    Args:
        files: from `hintlite.quantize`; or the bytes or path of a full-INT8 file; or a bundle.
        folder: new or empty; appears whole or not at all.
        name: prefix of the files and of the interface, `int <name>_invoke(...)`.

    Returns:
        What was written: `folder`, `files`, `arena_bytes`, `weight_bytes`, `layers`.

    Raises:
        HintliteError: an operator without C kernel; the message names it.
        FileExistsError: the folder holds something.
    """
    from hintlite.deploy.c_export.export import export_c as write

    return write(int8_source(files), folder, name)
