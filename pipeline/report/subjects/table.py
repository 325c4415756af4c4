"""The table: every model in every precision, with what it costs and what it is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import interval, numbers, of, table, words
from hintlite.pipeline.report.names import model_title, precision_title
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.subjects.confusion import are_uneven, scores
from hintlite.pipeline.runs.layout import (
    FLOAT,
    INT8,
    PRECISIONS,
    TEACHER,
    file_name,
    quantize_stage,
    result_file,
)
from hintlite.pipeline.runs.reading import RunFiles


@dataclass(frozen=True)
class Row:
    """One model in one precision; None is unknown.

    Args:
        model: "teacher" or the arm.
        precision: of the file.
        parameters: of the Keras network.
        macs: multiply-accumulates of one inference.
        bytes: of the .tflite file.
        balanced_accuracy: mean of the classes' recalls, each class counting alike.
        macro_precision: mean of the classes' precisions, 0 for a class that is never answered.
        macro_f1: mean of the classes' F1.
        correct: samples of the test part that are classified rightly, out of `total`.
        total: samples of the test part.
        accuracy: their share; low and high are its 95 % Wilson interval.
        p50_us: median latency on this host, microseconds.
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
    balanced_accuracy: float | None
    macro_precision: float | None
    macro_f1: float | None
    p50_us: float | None
    p99_us: float | None
    speed_up: float | None
    verdict: str | None


Scores = Mapping[str, Mapping[str, Any]]


def rows(run: RunFiles, scores: Scores) -> list[Row]:
    """One row a model and precision of which anything is known, in the order of the run.

    Args:
        run: its files.
        scores: "<model>:<precision>" -> recall, precision and their means on the test part.
    """
    metrics = run.json("evaluate", "metrics.json") or {}
    baseline = latency_us(benchmark_result(run, TEACHER, FLOAT), "p50")
    found = [
        _row(run, model, precision, metrics.get(f"{model}:{precision}") or {}, scores, baseline)
        for model in run.models
        for precision in precisions(run, model)
    ]
    return [row for row in found if _known(row)]


def read_rows(run: RunFiles) -> list[Row]:
    """The rows of a run of which nothing else is asked."""
    return rows(run, scores(run.arrays("evaluate", "predictions.npz")))


def precisions(run: RunFiles, model: str) -> tuple[str, ...]:
    """What the run has converted; before that, float and INT8."""
    files = run.files(quantize_stage(model))
    if not files:
        return (FLOAT, INT8)
    return tuple(name for name in PRECISIONS if file_name(model, name) in files)


def benchmark_result(run: RunFiles, model: str, precision: str) -> dict[str, Any] | None:
    """What the benchmark of a file answered (BenchmarkResult.to_dict), or None."""
    result: dict[str, Any] | None = run.json("benchmark", result_file(model, precision))
    return result


def latency_us(result: dict[str, Any] | None, name: str) -> float | None:
    """One latency of a result, microseconds; None if it has none."""
    latencies = (result or {}).get("latency_us") or {}
    return latencies.get(name)


def _row(
    run: RunFiles,
    model: str,
    precision: str,
    metric: dict[str, Any],
    scores: Scores,
    baseline: float | None,
) -> Row:
    content = run.content(quantize_stage(model), file_name(model, precision))
    result = benchmark_result(run, model, precision)
    p50 = latency_us(result, "p50")
    return Row(
        model=model,
        precision=precision,
        parameters=_parameters(run, model),
        macs=None if content is None else _macs(content),
        bytes=None if content is None else len(content),
        **{name: metric.get(name) for name in ("correct", "total", "accuracy", "low", "high")},
        **_means(scores.get(f"{model}:{precision}") if metric else None),
        p50_us=p50,
        p99_us=latency_us(result, "p99"),
        speed_up=baseline / p50 if baseline and p50 else None,
        verdict=result["verdict"]["state"] if result else None,
    )


def _means(scores: Mapping[str, Any] | None) -> dict[str, Any]:
    if scores is None:
        return dict.fromkeys(MEANS)
    shares = zip(scores["precision"], scores["support"], strict=True)
    precisions = [share or 0.0 for share, samples in shares if samples]
    known = {name: scores[name] for name in MEANS if name in scores}
    return {"macro_precision": sum(precisions) / len(precisions)} | known


MEANS = ("balanced_accuracy", "macro_precision", "macro_f1")


def _known(row: Row) -> bool:
    names = {"model", "precision"}
    return any(v is not None for name, v in asdict(row).items() if name not in names)


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


COSTS = (
    *words("model", "precision"),
    *numbers(formats.count, "parameters", "MACs", "file, bytes"),
)
WORTH = (
    *numbers(formats.count, "correct"),
    *numbers(formats.percent, "accuracy", "95 % interval"),
)
BALANCED = numbers(formats.percent, "balanced accuracy", "precision (macro)", "F1 (macro)")
SPEED = (
    *numbers(formats.microseconds, "p50, µs", "p99, µs"),
    *numbers(formats.ratio, "speed-up"),
    *words("verdict"),
)


def render(reports: Sequence[Report]) -> Section | None:
    """The table; None if nothing is known yet, or for several runs, which comparison.py shows."""
    if len(reports) != 1 or not reports[0].facts["rows"]:
        return None
    facts = reports[0].facts
    uneven = are_uneven(facts)
    columns = (*COSTS, *WORTH, *(BALANCED if uneven else ()), *SPEED)
    lines = [
        [*costs(row), *worth(row), *(balanced(row) if uneven else ()), *_speed(row)]
        for row in facts["rows"]
    ]
    content = table("Every model in every precision", columns, lines)
    return Section("table", "Models", content, _note(facts, uneven))


def _note(facts: dict[str, Any], uneven: bool) -> str:
    return (
        f"{test_part(facts)} Intervals are Wilson’s. "  # noqa: RUF001
        f"{BALANCED_NOTE if uneven else ''}"
        "Speed-up: median latency of the float teacher over this one’s. "  # noqa: RUF001
        "The verdict is about the latency; the section Latency has its reasons."
    )


BALANCED_NOTE = (
    "The classes are uneven, which accuracy hides: balanced accuracy is the mean of their recalls, "
    "precision and F1 the means of theirs; each class counts alike. "
)


def test_part(facts: dict[str, Any]) -> str:
    """A sentence on the test part; empty if there was none yet."""
    total = (facts["data"] or {}).get("test")
    if total is None:
        return ""
    asked = evaluated(facts["test_evaluations"])
    return f"Accuracy on {formats.count(total)} test samples, {asked}."


def evaluated(times: int | None) -> str:
    """How often the test samples were evaluated, as far as the run has counted."""
    if times is None:
        return "how often they were evaluated was not counted"
    return "evaluated once" if times == 1 else f"evaluated {times} times"


def costs(row: dict[str, Any]) -> list[Any]:
    """The first cells of a row: its names and its size."""
    names = (model_title(row["model"]), precision_title(row["precision"]))
    return [*names, *(row[name] for name in ("parameters", "macs", "bytes"))]


def worth(row: dict[str, Any]) -> list[Any]:
    """The cells on what it gets right."""
    right = of(row["correct"], row["total"])
    return [right, row["accuracy"], interval(row["low"], row["high"])]


def balanced(row: dict[str, Any]) -> list[Any]:
    """The cells on the mean over classes."""
    return [row[name] for name in MEANS]


def _speed(row: dict[str, Any]) -> list[Any]:
    return [row[name] for name in ("p50_us", "p99_us", "speed_up", "verdict")]
