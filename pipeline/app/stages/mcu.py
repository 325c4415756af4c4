"""mcu: the bundled student as sources for a microcontroller project."""

from __future__ import annotations

from pathlib import Path

from pipeline.app.context import Context
from pipeline.app.folder import Stage
from pipeline.app.stages import bundle


def stage(context: Context, kind: str, name: str) -> Stage:
    """The stage that writes the sources into a folder of the given name."""
    return Stage(
        name=f"mcu/{kind}",
        version=1,
        settings={"name": name},
        inputs=(bundle.NAME,),
        libraries=("numpy", "tflite", "jinja2"),
        work=lambda folder: _work(context, name, folder),
    )


def _work(context: Context, name: str, folder: Path) -> None:
    from deploy.c_export.export import export_c

    model = next((context.folder.path / bundle.DEVICE).glob("*_int8.tflite"))
    with context.terminal.task("plain C") as bar:
        export = export_c(model, folder / name, name)
        bar.note = (
            f"{len(export.files)} files, weights {export.weight_bytes:,} bytes, arena "
            f"{export.arena_bytes:,} (no plan is below {export.lower_bound_bytes:,})"
        )
