"""benchmark: latency and memory of every file on this host."""

from __future__ import annotations

from pathlib import Path

from hintlite.benchmarks.machine import processor
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import Stage
from hintlite.pipeline.app.run.stages.measured import request, write_result
from hintlite.pipeline.app.run.stages.quantize import precisions
from hintlite.pipeline.runs.layout import file_name, result_file

NAME = "benchmark"


def stage(context: Context) -> Stage:
    """The stage that writes one <model>:<precision>.json a file."""
    return Stage(
        name=NAME,
        version=1,
        # A run folder that is copied to another machine is measured again there.
        settings=context.settings("benchmark") | {"processor": processor()},
        inputs=tuple(f"quantize/{model}" for model in context.models),
        libraries=("ai-edge-litert", "numpy"),
        work=lambda folder: _work(context, folder),
    )


def _work(context: Context, folder: Path) -> None:
    from hintlite.benchmarks.targets.host import HostTarget

    wanted = request(context)
    pairs = [(model, each) for model in context.models for each in precisions(context, model)]
    with context.terminal.task("benchmark on this host") as bar:
        for done, (model, precision) in enumerate(pairs):
            bar.update(done, len(pairs), f"{model} {precision}", line=True)
            path = context.file(f"quantize/{model}", file_name(model, precision))
            write_result(HostTarget().run(path, wanted), folder / result_file(model, precision))
        bar.note = f"{len(pairs)} files"
