"""The run's one table: every model, float and INT8, with what it costs and what it is worth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.stages import benchmark, bundle, evaluate
from hintlite.pipeline.app.run.stages.quantize import precisions, quantized
from hintlite.pipeline.runs.layout import (
    FLOAT,
    FLOAT_CONTROL,
    INT8,
    INT8_PTQ,
    TEACHER,
    file_name,
    result_file,
)

TITLES = {"scratch": "student alone", "kd": "student, KD", "hint+kd": "student, hints + KD"}


@dataclass(frozen=True)
class Row:
    """One model in one precision.

    Attributes:
        model: "teacher" or the arm.
        precision: float32 or int8; where int8 was fine-tuned, also float32_control and int8_ptq.
        parameters: of the Keras network.
        macs: multiply-accumulates of one inference.
        bytes: of the .tflite file.
        accuracy: share of the test part; low and high are its 95 % Wilson interval.
        p50_us: median latency on this host, microseconds.
        p99_us: 99th percentile of the latency.
        speed_up: p50 of the float teacher over this one's.
        verdict: of the benchmark: valid, doubtful or invalid.
    """

    model: str
    precision: str
    parameters: int
    macs: int
    bytes: int
    accuracy: float
    low: float
    high: float
    p50_us: float
    p99_us: float
    speed_up: float
    verdict: str


def rows(context: Context) -> list[Row]:
    """The table of a complete run, from its files."""
    metrics = json.loads(context.file(evaluate.NAME, "metrics.json").read_text())
    baseline = _result(context, TEACHER, FLOAT)["latency_us"]["p50"]
    return [
        _row(context, model, precision, metrics[f"{model}:{precision}"], baseline)
        for model in context.models
        for precision in precisions(context, model)
    ]


def _row(
    context: Context, model: str, precision: str, metric: dict[str, Any], baseline: float
) -> Row:
    from hintlite.deploy.tflite.inspect import inspect

    path = context.file(f"quantize/{model}", file_name(model, precision))
    measured = _result(context, model, precision)
    p50 = measured["latency_us"]["p50"]
    return Row(
        model=model,
        precision=precision,
        parameters=_parameters(context, model),
        macs=inspect(path).macs,
        bytes=path.stat().st_size,
        accuracy=metric["accuracy"],
        low=metric["low"],
        high=metric["high"],
        p50_us=p50,
        p99_us=measured["latency_us"]["p99"],
        speed_up=baseline / p50,
        verdict=measured["verdict"]["state"],
    )


def _parameters(context: Context, model: str) -> int:
    stages = context.teachers if model == TEACHER else (f"distill/{model}",)
    summaries = [json.loads(context.file(stage, "summary.json").read_text()) for stage in stages]
    return sum(int(summary["parameters"]) for summary in summaries)


def _result(context: Context, model: str, precision: str) -> dict[str, Any]:
    path = context.file(benchmark.NAME, result_file(model, precision))
    result: dict[str, Any] = json.loads(path.read_text())
    return result


def print_table(context: Context, lines: list[Row]) -> None:
    """Prints the table, what makes its latencies doubtful, and where the files are.

    Args:
        context: the complete run.
        lines: what `rows` returned for it.
    """
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("model", no_wrap=True)
    for name in ("precision", "parameters", "MACs", "bytes", "test accuracy (95 % interval)"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("p50", "p99", "speed-up"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in lines:
        table.add_row(*_cells(row))
    out = context.terminal.out
    if not out.is_terminal:
        out.width = 140
    out.print()
    out.print(table)
    out.print()
    for line in _remarks(context, lines):
        out.print(line, markup=False)


def _cells(row: Row) -> list[str]:
    return [
        TITLES.get(row.model, row.model),
        row.precision,
        f"{row.parameters:,}",
        f"{row.macs:,}",
        f"{row.bytes:,}",
        f"{100 * row.accuracy:.2f} % ({100 * row.low:.2f} to {100 * row.high:.2f})",
        f"{row.p50_us:.1f} us",
        f"{row.p99_us:.1f} us",
        f"{row.speed_up:.2f}",
    ]


def _remarks(context: Context, lines: list[Row]) -> list[str]:
    total = json.loads(context.file(evaluate.NAME, "metrics.json").read_text())
    samples = next(iter(total.values()))["total"]
    student = next(row for row in lines if row.model != TEACHER)
    teacher = lines[0]
    remarks = [
        f"students have {teacher.parameters / student.parameters:.1f} times fewer parameters than "
        f"the teacher; accuracy on {samples} test samples, seen once; latency measured on this "
        f"host, {context.config.benchmark.threads} thread(s), speed-up over the float teacher",
    ]
    if any(row.precision == INT8_PTQ for row in lines):
        remarks.append(_about_fine_tuning(lines))
    doubtful = [row for row in lines if row.verdict != "valid"]
    if doubtful:
        remarks.append(
            f"{len(doubtful)} of {len(lines)} latencies are doubtful, the first because "
            f"{_doubt(context, doubtful[0])}; {context.folder.place(benchmark.NAME)} has the rest"
        )
    arm = bundle.chosen_arm(context)
    device = context.folder.path / bundle.DEVICE
    remarks += [
        f"model:  {device / file_name(arm, quantized(context, arm))}  ({arm})",
        f"bundle: {device}",
        f"report: {context.folder.path / 'report.html'}",
    ]
    return remarks


def _about_fine_tuning(lines: list[Row]) -> str:
    text = (
        f"the students' {INT8} was fine-tuned with quantization in the loop, {INT8_PTQ} is the "
        "same student calibrated only"
    )
    if any(row.precision == FLOAT_CONTROL for row in lines):
        text += f", {FLOAT_CONTROL} was trained on as long without quantization"
    return text


def _doubt(context: Context, row: Row) -> str:
    reason = _result(context, row.model, row.precision)["verdict"]["reasons"][0]
    return f"{reason['what']} ({reason['cure']})"
