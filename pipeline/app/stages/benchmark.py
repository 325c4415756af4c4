"""benchmark: latency and memory of every file on this host."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.machine import processor
from deploy.whole_files import write_whole
from pipeline.app.context import Context
from pipeline.app.folder import Stage
from pipeline.app.stages.quantize import file_name, precisions

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


def result_file(model: str, precision: str) -> str:
    """Where the result of a file is kept."""
    return f"{model}.{precision}.json"


def _work(context: Context, folder: Path) -> None:
    from benchmarks.targets.base import BenchmarkRequest
    from benchmarks.targets.host import HostTarget

    config = context.config.benchmark
    request = BenchmarkRequest(
        threads=config.threads,
        kernels=config.kernels,
        window_s=config.window_s,
        warmup_s=config.warmup_s,
        min_runs=config.min_runs,
        sweep=config.sweep,
    )
    pairs = [(model, each) for model in context.models for each in precisions(context, model)]
    with context.terminal.task("benchmark on this host") as bar:
        for done, (model, precision) in enumerate(pairs):
            bar.update(done, len(pairs), f"{model} {precision}", line=True)
            path = context.file(f"quantize/{model}", file_name(model, precision))
            result = HostTarget().run(path, request)
            text = json.dumps(result.to_dict(), indent=1)
            write_whole(folder / result_file(model, precision), text)
        bar.note = f"{len(pairs)} files"
