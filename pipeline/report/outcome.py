"""A run folder as a result to be compared."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from hintlite.benchmarks.results import Outcome, ResultError, of_result
from hintlite.benchmarks.targets.base import BenchmarkResult
from hintlite.pipeline.report.converted import converted_outcome, record_of
from hintlite.pipeline.report.subjects.table import benchmark_result
from hintlite.pipeline.runs.layout import INT8, file_name, quantize_stage
from hintlite.pipeline.runs.reading import RunFiles, UnreadableError


def run_outcome(path: Path) -> Outcome:
    """The deployed INT8 student of a run: its benchmark on the host, its test accuracy.

    A folder of `hintlite convert` or `qat` is read as one, too.

    Raises:
        ResultError: the folder is no run, or has no benchmark yet.
    """
    if record_of(path) is not None:
        return converted_outcome(path)
    try:
        files = RunFiles(path)
    except UnreadableError as error:
        raise ResultError(str(error)) from error
    arm = files.chosen
    result = None if arm is None else benchmark_result(files, arm, INT8)
    if arm is None or result is None:
        raise ResultError(
            f"{path} has no benchmark of its deployed student: `hintlite run {path}` completes it"
        )
    content = files.content(quantize_stage(arm), file_name(arm, INT8))
    found = of_result(str(path), BenchmarkResult.from_dict(result))
    data, metrics = files.json("data", "data.json"), files.json("evaluate", "metrics.json")
    record = files.record("evaluate") if files.complete("evaluate") else None
    metric = (metrics or {}).get(f"{arm}:{INT8}")
    accuracy = {} if metric is None else {"accuracy": metric["accuracy"]}
    size = {} if content is None else {"model_bytes": len(content)}
    return replace(
        found,
        form="run",
        task={
            "labels": None if data is None else _digest("\n".join(data["class_names"])),
            "input_shape": None if data is None else data["input_shape"],
            "samples": record["settings"].get("test") if record else None,
        },
        model=found.model | {"method": arm},
        figures=found.figures | size | accuracy,
    )


def _digest(text: str) -> str:
    """As bench_tflite.py hashes labels."""
    return hashlib.sha256(text.encode()).hexdigest()
