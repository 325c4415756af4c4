"""Training curves: validation accuracy, cross-entropy, and the loss of the hint phase."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.figure import Picture, drawing, to_picture
from hintlite.pipeline.report.markup import (
    details,
    figures,
    join,
    legend,
    numbers,
    paragraph,
    table,
    words,
)
from hintlite.pipeline.report.names import model_title
from hintlite.pipeline.report.palette import Look
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.series import model_look, per_run, symbol
from hintlite.pipeline.runs.layout import TEACHER
from hintlite.pipeline.runs.reading import RunFiles


def histories(run: RunFiles) -> list[dict[str, Any]]:
    """The columns of every history.csv as numbers, one entry a training with at least one epoch.

    Returns:
        model ("teacher/0" or the arm), members (how many teachers there are), finished, not_finite
        (figures that were NaN or infinite, null below), phases: {"pretrain" | "task": {column: one
        number or null an epoch}}.
    """
    entries, members = [], len(run.teachers)
    for stage in (*run.teachers, *(f"distill/{arm}" for arm in run.arms)):
        table, finished = run.history(stage)
        if table:
            name = stage.removeprefix("distill/")
            entries.append(
                {"model": name, "members": members, "finished": finished} | _numbers(table)
            )
    return entries


def teacher_validation(run: RunFiles) -> list[dict[str, Any]]:
    """What each member of the teacher reaches on validation data, as far as that is known."""
    summaries = [run.json(stage, "summary.json") or {} for stage in run.teachers]
    return [summary["validation"] for summary in summaries if summary.get("validation")]


def _numbers(table: list[dict[str, str]]) -> dict[str, Any]:
    phases: dict[str, dict[str, list[float | None]]] = {}
    bad = 0
    for row in table:
        phase = phases.setdefault(row["phase"], {})
        for column, text in row.items():
            if column == "phase":
                continue
            value = float(text) if text else None
            if value is not None and not math.isfinite(value):
                bad, value = bad + 1, None
            phase.setdefault(column, []).append(value)
    return {"not_finite": bad, "phases": {name: _filled(p) for name, p in phases.items()}}


def _filled(columns: dict[str, list[float | None]]) -> dict[str, list[float | None]]:
    """Without the columns that the phase does not have."""
    return {n: values for n, values in columns.items() if any(v is not None for v in values)}


@dataclass(frozen=True)
class Chart:
    """One picture of curves.

    Args:
        phase: "pretrain" or "task".
        validation: column of history.csv that is drawn solid.
        training: column that is drawn dashed, if any.
        label: of the y axis.
        caption: what is shown.
        factor: of the values, 100 for per cent.
        logarithmic: whether late epochs are told apart on a logarithmic axis.
    """

    phase: str
    validation: str
    training: str | None
    label: str
    caption: str
    factor: float = 1
    logarithmic: bool = False


CHARTS = (
    Chart(
        "task", "val_accuracy", None, "validation accuracy, %", "Accuracy on validation data", 100
    ),
    Chart(
        "task", "val_ce", "ce", "cross-entropy", "Cross-entropy with the labels", logarithmic=True
    ),
    Chart("pretrain", "val_hint", "hint", "hint loss", "Loss of the hint phase"),
)
COLUMNS = (
    *words("training", "phase"),
    *numbers(formats.text, "epochs"),
    *numbers(formats.percent, "first validation accuracy", "best"),
    *numbers(formats.count, "in epoch"),
    *numbers(formats.number, "first validation loss", "last"),
)


def render(reports: Sequence[Report]) -> Section | None:
    """The curves; None before the first epoch of the first training."""
    content = per_run(reports, lambda place, report: _one(reports, place, report))
    note = (
        "Solid: validation data; dashed: training data, with augmentation and in training mode. "
        "The weights of the best epoch on validation data are kept."
    )
    return Section("training", "Training", content, note) if content else None


def _one(reports: Sequence[Report], place: int, report: Report) -> Markup | None:
    trainings = report.facts["training"]
    if not trainings:
        return None
    pictures = [_chart(reports, place, trainings, chart) for chart in CHARTS]
    rows = [_row(each, phase) for each in trainings for phase in each["phases"]]
    return join(
        legend([(symbol(model_look(reports, each["model"])), title(each)) for each in trainings]),
        figures(pictures),
        *(paragraph(line) for line in _remarks(trainings)),
        details("These curves as a table", table("Trainings, phase by phase", COLUMNS, rows)),
    )


def title(training: dict[str, Any]) -> str:
    """The training's name; an only teacher has no number."""
    alone = training["members"] == 1 and training["model"] == f"{TEACHER}/0"
    return model_title(TEACHER if alone else training["model"])


def _remarks(trainings: list[dict[str, Any]]) -> list[str]:
    unfinished = [title(each) for each in trainings if not each["finished"]]
    lines = [f"Not finished: {', '.join(unfinished)}."] if unfinished else []
    return lines + [
        f"{title(each)}: figures left out because they were not finite (NaN or infinite): "
        f"{each['not_finite']}."
        for each in trainings
        if each["not_finite"]
    ]


def _chart(
    reports: Sequence[Report], place: int, trainings: list[dict[str, Any]], chart: Chart
) -> Picture | None:
    drawn = [(each, each["phases"].get(chart.phase, {})) for each in trainings]
    drawn = [(each, columns) for each, columns in drawn if chart.validation in columns]
    if not drawn:
        return None
    with drawing() as (figure, axes):
        for each, columns in drawn:
            look = model_look(reports, each["model"])
            if chart.training in columns:
                _line(axes, look, columns["epoch"], columns[chart.training], chart.factor, "--")
            _line(axes, look, columns["epoch"], columns[chart.validation], chart.factor, "-")
        if chart.logarithmic:
            _log_if_positive(axes, [line.get_ydata() for line in axes.lines])
        axes.set_xlabel("epoch")
        axes.set_ylabel(chart.label)
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        ends = "; ".join(_ends(each, c[chart.validation], chart.factor) for each, c in drawn)
        return to_picture(figure, f"training-{place}-{chart.validation}", chart.caption, ends)


def _log_if_positive(axes: Any, curves: list[Any]) -> None:
    """A logarithmic axis with plain labels, unless a value is 0."""
    values = np.concatenate([np.asarray(curve, np.float64) for curve in curves])
    low, high = np.nanmin(values), np.nanmax(values)
    if low > 0:
        axes.set_yscale("log")
        subs = (1.0, 2.0, 5.0) if high / low < 300 else (1.0,)
        axes.yaxis.set_major_locator(LogLocator(10, subs=subs))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())


def _line(
    axes: Any,
    look: Look,
    epochs: list[float],
    values: list[float | None],
    factor: float,
    style: str,
) -> None:
    scaled = [float("nan") if value is None else factor * value for value in values]
    solid = style == "-"
    axes.plot(
        epochs,
        scaled,
        linestyle=style,
        color=look.colour,
        linewidth=1.6 if solid else 1.0,
        marker=look.marker if solid else None,
        markersize=4.5,
        markevery=max(1, len(epochs) // 8),
    )


def _ends(training: dict[str, Any], values: list[float | None], factor: float) -> str:
    known = [factor * value for value in values if value is not None]
    return f"{title(training)} from {known[0]:.3g} to {known[-1]:.3g}"


def _row(training: dict[str, Any], phase: str) -> list[Any]:
    columns = training["phases"][phase]
    accuracy = [value for value in columns.get("val_accuracy", []) if value is not None]
    loss = [value for value in columns.get("val_loss", []) if value is not None] or [None]
    best = max(accuracy, default=None)
    epoch = columns["val_accuracy"].index(best) + 1 if best is not None else None
    name = title(training) + ("" if training["finished"] else " (not finished)")
    shown = {"pretrain": "hint"}.get(phase, phase)
    first = accuracy[0] if accuracy else None
    return [name, shown, len(columns["epoch"]), first, best, epoch, loss[0], loss[-1]]
