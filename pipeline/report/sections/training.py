"""Training curves: validation accuracy, cross-entropy, and the loss of the hint phase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.figure import Picture, drawing, to_picture
from hintlite.pipeline.report.markup import (
    Cell,
    Column,
    cell,
    details,
    figures,
    join,
    legend,
    paragraph,
    table,
)
from hintlite.pipeline.report.names import model_title
from hintlite.pipeline.report.palette import Look
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.series import model_look, per_run, symbol


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
    Column("training", number=False),
    Column("phase", number=False),
    Column("epochs"),
    Column("first validation accuracy"),
    Column("best"),
    Column("in epoch"),
    Column("first validation loss"),
    Column("last"),
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
    alone = training["members"] == 1
    return model_title(
        "teacher" if alone and training["model"] == "teacher/0" else training["model"]
    )


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


def _row(training: dict[str, Any], phase: str) -> list[Cell]:
    columns = training["phases"][phase]
    accuracy = [value for value in columns.get("val_accuracy", []) if value is not None]
    loss = [value for value in columns.get("val_loss", []) if value is not None]
    best = max(accuracy, default=None)
    epoch = columns["val_accuracy"].index(best) + 1 if best is not None else None
    name = title(training) + ("" if training["finished"] else " (not finished)")
    first, start, end = (
        accuracy[0] if accuracy else None,
        loss[0] if loss else None,
        loss[-1] if loss else None,
    )
    return [
        cell(name),
        cell({"pretrain": "hint", "task": "task"}.get(phase, phase)),
        cell(str(len(columns["epoch"])), len(columns["epoch"])),
        cell(formats.percent(first), first),
        cell(formats.percent(best), best),
        cell(formats.count(epoch), epoch),
        cell(formats.number(start), start),
        cell(formats.number(end), end),
    ]
