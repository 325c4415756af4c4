"""The run's one table in the terminal: every model in every precision, and what to make of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.stages import benchmark, bundle
from hintlite.pipeline.app.run.stages.quantize import quantized
from hintlite.pipeline.app.run.stages.quantize_teacher import missing
from hintlite.pipeline.report import formats
from hintlite.pipeline.report.names import model_title
from hintlite.pipeline.runs.layout import FLOAT_CONTROL, INT8, INT8_PTQ, TEACHER, file_name

if TYPE_CHECKING:
    from rich.table import Table

Facts = Mapping[str, Any]
Row = Mapping[str, Any]
BALANCED = {
    "balanced_accuracy": "balanced\naccuracy",
    "macro_precision": "precision\n(macro)",
    "macro_f1": "F1\n(macro)",
}
VALID, MARK = "valid", "*"


def print_table(context: Context, facts: Facts) -> None:
    """Prints the table, what makes its figures doubtful, and where the files are.

    Args:
        context: the complete run.
        facts: what the report says of it.
    """
    out = context.terminal.out
    if not out.is_terminal:
        out.width = 140
    out.print()
    out.print(as_table(facts))
    out.print()
    for line in _remarks(context, facts):
        out.print(line, markup=False)


def as_table(facts: Facts) -> Table:
    """A line a file; with recall, precision and F1 where the classes are uneven."""
    from rich.table import Table

    from hintlite.pipeline.report.subjects.confusion import are_uneven

    balanced = BALANCED if are_uneven(facts) else {}
    table = Table(box=None, pad_edge=False)
    table.add_column("model", no_wrap=True)
    costs = ("precision", "parameters", "MACs", "bytes")
    accuracy = ("test accuracy", "(95 % interval)")
    between = "\n" if balanced else " "
    for name in (*costs, between.join(accuracy), *balanced.values(), *SPEED):
        table.add_column(name, justify="right", vertical="bottom", no_wrap=True)
    for row in facts["rows"]:
        table.add_row(*_cells(row, tuple(balanced)))
    return table


SPEED = ("p50, us", "p99, us", "speed-up")


def _cells(row: Row, balanced: Sequence[str]) -> list[str]:
    mark = " " if row["verdict"] in (None, VALID) else MARK
    interval = formats.interval(row["low"], row["high"])
    return [
        model_title(row["model"]),
        row["precision"],
        *(formats.count(row[name]) for name in ("parameters", "macs", "bytes")),
        f"{formats.percent(row['accuracy'])} ({interval})",
        *(formats.percent(row[name]) for name in balanced),
        *(f"{formats.microseconds(row[name])}{mark}" for name in ("p50_us", "p99_us")),
        formats.ratio(row["speed_up"]),
    ]


def _remarks(context: Context, facts: Facts) -> list[str]:
    from hintlite.pipeline.report.subjects.summary import headlines
    from hintlite.pipeline.report.subjects.table import evaluated

    rows = facts["rows"]
    student = next(row for row in rows if row["model"] != TEACHER)
    fewer = _parameters_of_teacher(context) / student["parameters"]
    remarks = [
        f"students have {fewer:.1f} times fewer parameters than the teacher; accuracy on "
        f"{student['total']} test samples, {evaluated(facts['test_evaluations'])}; latency "
        f"measured on this host, {context.config.benchmark.threads} thread(s), speed-up over the "
        "float teacher",
    ]
    remarks += [f"teacher: no {name} file: {why}" for name, why in missing(context).items()]
    if any(row["precision"] == INT8_PTQ for row in rows):
        remarks.append(_about_fine_tuning(rows))
    remarks += headlines(facts)
    if any(row["verdict"] != VALID for row in rows):
        remarks.append(
            f"{MARK} doubtful or invalid; {context.folder.place(benchmark.NAME)} has the reasons"
        )
    remarks += [f"warning: {line}" for line in facts["doubts"]]
    arm = bundle.chosen_arm(context)
    device = context.folder.path / bundle.DEVICE
    return [
        *remarks,
        f"model:  {device / file_name(arm, quantized(context, arm))}  ({arm})",
        f"bundle: {device}",
        f"report: {context.folder.path / 'report.html'}",
    ]


def _parameters_of_teacher(context: Context) -> int:
    """Of all members; the teacher may have no file, and so no row."""
    summaries = [context.file(stage, "summary.json").read_text() for stage in context.teachers]
    return sum(int(json.loads(summary)["parameters"]) for summary in summaries)


def _about_fine_tuning(rows: Sequence[Row]) -> str:
    text = (
        f"the students' {INT8} was fine-tuned with quantization in the loop, {INT8_PTQ} is the "
        "same student calibrated only"
    )
    if any(row["precision"] == FLOAT_CONTROL for row in rows):
        text += f", {FLOAT_CONTROL} was trained on as long without quantization"
    return text
