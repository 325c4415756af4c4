"""mcu: the bundled student as sources for a microcontroller project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import Stage
from hintlite.pipeline.app.run.stages import bundle

PLAIN_C, TFLM = "c", "tflm"


def stage(context: Context, options: Mapping[str, Any]) -> Stage:
    """The stage that writes the sources into a folder of the given name.

    Args:
        context: the run.
        options: "mcu" (the kind of sources), "name", and for TFLM "strip".
    """
    kind, name = options["mcu"], options["name"]
    settings = {"name": name} | ({"strip": options["strip"]} if kind == TFLM else {})
    return Stage(
        name=f"mcu/{kind}",
        version=2,
        settings=settings,
        inputs=(bundle.NAME,),
        libraries=("numpy", "tflite", "jinja2", "ai-edge-litert")
        + (("flatbuffers",) if kind == TFLM else ()),
        work=lambda folder: _work(context, options, folder),
    )


def _work(context: Context, options: Mapping[str, Any], folder: Path) -> None:
    model = bundle.int8_model(context.folder.path / bundle.DEVICE)
    kind = options["mcu"]
    with context.terminal.task("plain C" if kind == PLAIN_C else "TensorFlow Lite Micro") as bar:
        bar.note = write_sources(kind, model, folder / options["name"], options)


def write_sources(kind: str, model: Path, folder: Path, options: Mapping[str, Any]) -> str:
    """Writes a model's sources.

    Args:
        kind: "c" or "tflm".
        model: a full-INT8 .tflite file.
        folder: where to.
        options: "name", and for TFLM "strip".

    Returns:
        What was written, in one line.
    """
    if kind == TFLM:
        return _write_tflm(model, folder, options["name"], bool(options["strip"]))
    from hintlite.deploy.c_export.export import export_c

    export = export_c(model, folder, options["name"])
    return (
        f"{len(export.files)} files, weights {export.weight_bytes:,} bytes, arena "
        f"{export.arena_bytes:,} (no plan is below {export.lower_bound_bytes:,})"
    )


def _write_tflm(model: Path, folder: Path, name: str, strip: bool) -> str:
    from hintlite.deploy.mcu.export import MARGIN_PERCENT, write_tflm
    from hintlite.deploy.mcu.from_bundle import export_file

    export = export_file(model, name, strip)
    write_tflm(folder, export)
    won = f" ({export.won_bytes:,} won by stripping)" if strip else ""
    return (
        f"{len(export.files)} files, model {export.model_bytes:,} bytes{won}, "
        f"{len(export.operators)} operators registered, arena {export.reserved_bytes:,} bytes: "
        f"estimated {export.reference.arena_bytes:,} with TFLM's kernels, "
        f"{export.cmsis_nn.arena_bytes:,} with CMSIS-NN, and {MARGIN_PERCENT} % margin"
    )
