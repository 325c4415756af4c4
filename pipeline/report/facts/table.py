"""The table: every model in every precision, with what it costs and what it is worth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hintlite.pipeline.report.names import PRECISIONS
from hintlite.pipeline.runs.layout import TEACHER
from hintlite.pipeline.runs.reading import RunFiles

FLOAT, INT8 = "float32", "int8"
DEPLOYED = (INT8, "int16x8", "mixed")  # one of them stands beside float


@dataclass(frozen=True)
class Row:
    """One model in one precision; None is unknown.

    Args:
        model: "teacher" or the arm.
        precision: of the file.
        parameters: of the Keras network.
        macs: multiply-accumulates of one inference.
        bytes: of the .tflite file.
        correct: samples of the test part that are classified rightly, out of `total`.
        total: samples of the test part.
        accuracy: their share; low and high are its 95 % Wilson interval.
        p50_us: median latency, microseconds.
        p99_us: 99th percentile of the latency.
        speed_up: p50 of the float teacher over this one's.
        verdict: of the benchmark: valid, doubtful or invalid.
    """

    model: str
    precision: str
    parameters: int | None
    macs: int | None
    bytes: int | None
    correct: int | None
    total: int | None
    accuracy: float | None
    low: float | None
    high: float | None
    p50_us: float | None
    p99_us: float | None
    speed_up: float | None
    verdict: str | None


def rows(run: RunFiles) -> list[dict[str, Any]]:
    """One row a model and precision of which anything is known, in the order of the run."""
    metrics = run.json("evaluate", "metrics.json") or {}
    baseline = latency_us(benchmark_result(run, TEACHER, FLOAT), "p50")
    found = [
        _row(run, model, precision, metrics.get(f"{model}:{precision}") or {}, baseline)
        for model in run.models
        for precision in precisions(run, model)
    ]
    return [asdict(row) for row in found if _known(row)]


def precisions(run: RunFiles, model: str) -> tuple[str, ...]:
    """Float and INT8, and what else the run has converted."""
    files = run.files(f"quantize/{model}")
    return tuple(
        name for name in PRECISIONS if name in (FLOAT, INT8) or tflite_name(model, name) in files
    )


def tflite_name(model: str, precision: str) -> str:
    """The .tflite file of a model: "teacher_int8.tflite", "student_float32.tflite"."""
    return f"{TEACHER if model == TEACHER else 'student'}_{precision}.tflite"


def benchmark_result(run: RunFiles, model: str, precision: str) -> dict[str, Any] | None:
    """What the benchmark of a file answered (BenchmarkResult.to_dict), or None."""
    result: dict[str, Any] | None = run.json("benchmark", f"{model}.{precision}.json")
    return result


def latency_us(result: dict[str, Any] | None, name: str) -> float | None:
    """One latency of a result, microseconds; None if it has none."""
    latencies = (result or {}).get("latency_us") or {}
    return latencies.get(name)


def _row(
    run: RunFiles, model: str, precision: str, metric: dict[str, Any], baseline: float | None
) -> Row:
    content = run.content(f"quantize/{model}", tflite_name(model, precision))
    result = benchmark_result(run, model, precision)
    p50 = latency_us(result, "p50")
    return Row(
        model=model,
        precision=precision,
        parameters=_parameters(run, model),
        macs=None if content is None else _macs(content),
        bytes=None if content is None else len(content),
        **{name: metric.get(name) for name in ("correct", "total", "accuracy", "low", "high")},
        p50_us=p50,
        p99_us=latency_us(result, "p99"),
        speed_up=baseline / p50 if baseline and p50 else None,
        verdict=result["verdict"]["state"] if result else None,
    )


def _known(row: Row) -> bool:
    return any(
        value is not None
        for name, value in asdict(row).items()
        if name not in ("model", "precision")
    )


def _parameters(run: RunFiles, model: str) -> int | None:
    stages = run.teachers if model == TEACHER else (f"distill/{model}",)
    summaries = [run.json(stage, "summary.json") for stage in stages]
    if any(summary is None for summary in summaries):
        return None
    return sum(int(summary["parameters"]) for summary in summaries)


def _macs(content: bytes) -> int | None:
    from hintlite.deploy.tflite.graph import ModelError
    from hintlite.deploy.tflite.inspect import inspect

    try:
        return inspect(content).macs
    except ModelError:
        return None
