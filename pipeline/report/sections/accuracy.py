"""Accuracy against the size of the file, latency and MACs."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from typing import Any

from hintlite.pipeline.report.figure import Picture, drawing, logarithmic, mark, to_picture
from hintlite.pipeline.report.markup import figures, join
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.series import is_filled, point_legend, point_look

NEAR = 0.025  # points nearer than this share of the axis are set apart
APART = 8.0  # by this many pixels, less if there are many
SPREAD = 30.0  # all of them together by this many at most
AXES = (
    ("bytes", "file, bytes", "Accuracy against the size of the file"),
    ("p50_us", "median latency, µs", "Accuracy against median latency"),
    ("macs", "multiply-accumulates", "Accuracy against MACs"),
)
Point = tuple[Report, dict[str, Any]]


def render(reports: Sequence[Report]) -> Section | None:
    """The pictures; None as long as no model was evaluated."""
    pictures = [_picture(reports, *axis) for axis in AXES]
    if not any(pictures):
        return None
    note = (
        "Up and to the left is better. Bars are 95 % intervals. Points that would cover each other "
        "stand a few pixels apart; their figures are in the table above."
    )
    content = join(point_legend(reports), figures(pictures))
    return Section("accuracy", "Accuracy against cost", content, note)


def _picture(reports: Sequence[Report], field: str, label: str, title: str) -> Picture | None:
    points = points_of(reports, field)
    if not points:
        return None
    with drawing(height=280) as (figure, axes):
        draw(figure, axes, reports, points, field, label)
        description = f"{summary_of(points)} The table “Models” or “Runs compared” has all values"
        return to_picture(figure, f"accuracy-{field}", title, description)


def points_of(reports: Sequence[Report], field: str) -> list[Point]:
    """The rows of which both the accuracy and the field are known."""
    return [
        (report, row)
        for report in reports
        for row in report.facts["rows"]
        if row["accuracy"] is not None and row[field]
    ]


def summary_of(points: Sequence[Point]) -> str:
    """What a reader who does not see the points should know."""
    best = max(points, key=lambda point: point[1]["accuracy"])[1]
    return (
        f"{len(points)} points, each a model in one precision; the highest has "
        f"{100 * best['accuracy']:.2f} %."
    )


def draw(
    figure: Any, axes: Any, reports: Sequence[Report], points: list[Point], field: str, label: str
) -> None:
    """Accuracy against one field.

    Args:
        figure: that holds the axes.
        axes: drawn into.
        reports: all runs.
        points: from `points_of`, at least one.
        field: of a row, on the horizontal axis.
        label: of that axis.
    """
    logarithmic(axes, [row[field] for _, row in points])
    for (report, row), shift in zip(points, _shifts(points, field), strict=True):
        _point(figure, axes, point_look(reports, report, row["model"]), row, field, shift)
    axes.set_xlabel(label)
    axes.set_ylabel("test accuracy, %")


def _shifts(points: list[Point], field: str) -> list[float]:
    """Pixels that each point is moved sideways, so that points at one place are all seen."""
    places = [log10(row[field]) for _, row in points]
    reach = NEAR * max(max(places) - min(places), 0.3)
    groups = [
        [j for j, other in enumerate(places) if abs(other - place) <= reach] for place in places
    ]
    return [
        min(APART, SPREAD / max(len(group) - 1, 1)) * (group.index(i) - (len(group) - 1) / 2)
        for i, group in enumerate(groups)
    ]


def _point(
    figure: Any, axes: Any, drawn: Any, row: dict[str, Any], field: str, shift: float
) -> None:
    from matplotlib.transforms import ScaledTranslation

    moved = axes.transData + ScaledTranslation(shift / 72, 0, figure.dpi_scale_trans)
    x, low, high = row[field], 100 * row["low"], 100 * row["high"]
    axes.plot([x, x], [low, high], color=drawn.colour, linewidth=1.1, alpha=0.7, transform=moved)
    axes.update_datalim([(x, low), (x, high)])
    axes.autoscale_view(scalex=False)
    mark(axes, x, 100 * row["accuracy"], drawn, is_filled(row["precision"]), transform=moved)
