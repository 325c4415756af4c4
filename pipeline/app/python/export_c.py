"""`hintlite.export_c`: the INT8 network as plain C99."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hintlite.pipeline.app.python.arguments import ArgumentError, as_folder, expect
from hintlite.pipeline.app.python.files import Feeding, Files, model_path

if TYPE_CHECKING:
    from hintlite.deploy.c_export.export import CExport


def export_c(
    files: Files | bytes | str | Path,
    folder: str | Path,
    name: str = "network",
    *,
    labels: Sequence[str] | None = None,
    feeding: Feeding | None = None,
) -> CExport:
    """Writes the INT8 network as C: kernels, weights, example, Makefile, CMakeLists.txt.

    No interpreter, no allocator, no floating point; the bits are those of TensorFlow Lite Micro's
    reference kernels (docs/plain_c.md). Of `files` and of bundles the labels, the way from raw
    values to the input, and a sample with its expected output go along.

    Args:
        files: from `hintlite.quantize`; or the bytes or path of a full-INT8 file; or a bundle.
        folder: new or empty; appears whole or not at all.
        name: prefix of the files and of the interface, `int <name>_invoke(...)`.
        labels: with `files`, the classes' names, see `hintlite.bundle`.
        feeding: with `files`, how the arrays came from raw values, see `hintlite.bundle`.

    Returns:
        What was written: `folder`, `files`, `arena_bytes`, `weight_bytes`, `layers`.

    Raises:
        HintliteError: an operator without C kernel; the message names it. Or the folder holds
            something, which is left as it is.
    """
    from hintlite.deploy.c_export.export import export_c as write
    from hintlite.pipeline.app.python.bundle import MODEL, bundle

    place = as_folder(folder)
    expect("name", name, str, "a text")
    if not isinstance(files, Files):
        _refuse_facts({"labels": labels, "feeding": feeding})
        return write(files if isinstance(files, bytes) else model_path(files), place, name)
    with tempfile.TemporaryDirectory(prefix="hintlite-") as beside:
        packed = bundle(files, Path(beside) / "bundle", labels, feeding=feeding)
        return write(packed / MODEL, place, name)


def _refuse_facts(given: Mapping[str, object]) -> None:
    names = [name for name, value in given.items() if value is not None]
    if names:
        raise ArgumentError(
            f"{' and '.join(names)}: these go with what hintlite.quantize returns; a bundle has "
            "its own, and a single file has none"
        )
