"""What INT8 changes against float: samples won and lost, and the error of the logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.figure import Picture, drawing, mark, to_picture
from hintlite.pipeline.report.markup import Cell, Column, cell, figures, join, table
from hintlite.pipeline.report.names import model_title
from hintlite.pipeline.report.palette import MUTED
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.series import model_look, per_run

CHANGE = (
    Column("model", number=False),
    Column("right in both"),
    Column("lost by INT8"),
    Column("won by INT8"),
    Column("wrong in both"),
    Column("change, points"),
    Column("p-value"),
    Column("same choice"),
    Column("largest logit error"),
)
VERIFICATION = (
    Column("model", number=False),
    Column("validation samples"),
    Column("same choice"),
    Column("95 % interval"),
    Column("Keras"),
    Column("float file"),
    Column("INT8 file"),
    Column("Keras to float file"),
    Column("float to INT8, steps"),
    Column("bounds kept", number=False),
)
PERCENTILES = ("p50", "p90", "p99", "p100")


def render(reports: Sequence[Report]) -> Section | None:
    """Tables and pictures; None before the conversion."""
    content = per_run(reports, lambda place, report: _one(reports, place, report))
    note = (
        "Lost and won: test samples that are right in one file alone; the p-value is McNemar’s "  # noqa: RUF001
        "exact test of their numbers. Logit errors are shares of the range of all float logits. "
        "Verification compares on validation data before any test sample is seen: Keras to float "
        "file is the largest difference of a logit relative to their range, float to INT8 the "
        "largest in steps of the output’s scale."  # noqa: RUF001
    )
    return Section("quantization", "From float to INT8", content, note) if content else None


def _one(reports: Sequence[Report], place: int, report: Report) -> Markup | None:
    entries = report.facts["quantization"]
    tested = [entry for entry in entries if entry["test"]]
    verified = [entry for entry in entries if (entry["verify"] or {}).get("figures")]
    if not tested and not verified:
        return None
    accuracies = _accuracies(reports, place, report)
    errors = [e for e in tested if e["test"]["logit_error"]]
    return join(
        figures([accuracies, _logit_errors(reports, place, errors)]),
        table("The same test samples, float and INT8", CHANGE, [_change(e) for e in tested])
        if tested
        else "",
        table("Verification on validation data", VERIFICATION, [_verified(e) for e in verified])
        if verified
        else "",
    )


def _change(entry: dict[str, Any]) -> list[Cell]:
    test = entry["test"]
    largest = (test["logit_error"] or {}).get("p100")
    counts = [
        cell(formats.count(test[name]), test[name])
        for name in ("both_right", "lost", "won", "both_wrong")
    ]
    return [
        cell(model_title(entry["model"])),
        *counts,
        cell(formats.signed_points(test["change"]), test["change"]),
        cell(formats.number(test["p_value"]), test["p_value"]),
        cell(formats.percent(test["agreement"]), test["agreement"]),
        cell(formats.percent(largest), largest),
    ]


def _verified(entry: dict[str, Any]) -> list[Cell]:
    verify, figures_ = entry["verify"], entry["verify"]["figures"]
    low, high = figures_["agreement_interval"]
    accuracies = [
        cell(formats.percent(figures_[name]), figures_[name])
        for name in ("keras_accuracy", "float_accuracy", "int8_accuracy")
    ]
    return [
        cell(model_title(entry["model"])),
        cell(formats.count(verify["samples"]), verify["samples"]),
        cell(formats.percent(figures_["agreement"]), figures_["agreement"]),
        cell(formats.interval(low, high), low),
        *accuracies,
        cell(formats.number(figures_["max_float_error"]), figures_["max_float_error"]),
        cell(formats.number(figures_["max_int8_error_steps"]), figures_["max_int8_error_steps"]),
        cell(formats.text(verify["ok"])),
    ]


def _accuracies(reports: Sequence[Report], place: int, report: Report) -> Picture | None:
    """Float and INT8 accuracy of each model on a line of its own."""
    rows = [row for row in report.facts["rows"] if row["accuracy"] is not None]
    models = list(dict.fromkeys(row["model"] for row in rows))
    if not models:
        return None
    with drawing(height=70 + 38 * len(models)) as (figure, axes):
        for row in rows:
            line = models.index(row["model"])
            filled = row["precision"] == "int8"
            y = line + (0.14 if filled else -0.14)
            look = model_look(reports, row["model"])
            ends = [100 * row["low"], 100 * row["high"]]
            axes.plot(ends, [y, y], color=look.colour, linewidth=1.1, alpha=0.7)
            mark(axes, 100 * row["accuracy"], y, look, filled)
        name_lines(axes, [model_title(model) for model in models])
        axes.set_xlabel("test accuracy, %")
        caption = "Accuracy: hollow float, filled INT8, with 95 % intervals"
        values = "; ".join(f"{r['model']} {r['precision']} {100 * r['accuracy']:.2f}" for r in rows)
        return to_picture(figure, f"quantization-{place}-accuracy", caption, values)


def _logit_errors(
    reports: Sequence[Report], place: int, entries: list[dict[str, Any]]
) -> Picture | None:
    """Median, 90th and 99th percentile and maximum of each model's logit error."""
    if not entries:
        return None
    with drawing(height=70 + 38 * len(entries)) as (figure, axes):
        for line, entry in enumerate(entries):
            values = [100 * entry["test"]["logit_error"][name] for name in PERCENTILES]
            look = model_look(reports, entry["model"])
            axes.plot([values[0], values[-1]], [line, line], color=look.colour, linewidth=1.1)
            mark(axes, values[0], line, look, filled=True)
            for value in values[1:]:
                axes.plot([value], [line], marker="|", color=look.colour, markersize=9)
        name_lines(axes, [model_title(entry["model"]) for entry in entries])
        axes.set_xlim(left=0)
        axes.set_xlabel("logit error, % of the range of the float logits")
        caption = "Error of the logits: median, then 90 %, 99 % and largest"
        largest = "; ".join(
            f"{model_title(e['model'])} at most {formats.percent(e['test']['logit_error']['p100'])}"
            for e in entries
        )
        return to_picture(figure, f"quantization-{place}-logits", caption, largest)


def name_lines(axes: Any, names: list[str]) -> None:
    """Names for the lines of a chart, the first on top."""
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_color(MUTED)
