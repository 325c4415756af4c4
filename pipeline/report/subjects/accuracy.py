"""Accuracy against the size of the file, latency and MACs."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot
from typing import Any

from hintlite.pipeline.report.figure import DPI, Picture, drawing, logarithmic, mark, to_picture
from hintlite.pipeline.report.markup import figures, join
from hintlite.pipeline.report.palette import Look
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.series import is_filled, point_legend, point_look

NEAR = 8.0  # pixels: points nearer than that cover each other
SIZE, RING = 6.5, 5.0  # of a marker, and how much larger one is that lies around another, pixels
APART = 4.0  # pixels between the intervals of points that stand above each other
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
        "Up and to the left is better. Bars are 95 % intervals; where points stand above each "
        "other their bars lie side by side, and of points at one place one is drawn around the "
        "other. The table above has their figures."
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
    points = sorted(points, key=lambda point: is_filled(point[1]["precision"]))  # hollow: outside
    logarithmic(axes, [row[field] for _, row in points])
    axes.update_datalim([(row[field], 100 * row[end]) for _, row in points for end in ENDS])
    axes.autoscale_view(scalex=False)
    axes.set_xlabel(label)
    axes.set_ylabel("test accuracy, %")
    figure.draw_without_rendering()  # lays the axes out, so that places are known in pixels
    places = [axes.transData.transform((row[field], 100 * row["accuracy"])) for _, row in points]
    for i, (report, row) in enumerate(points):
        look = point_look(reports, report, row["model"])
        column = [j for j, (x, _) in enumerate(places) if abs(x - places[i][0]) < NEAR]
        _interval(figure, axes, row, field, look, APART * (column.index(i) - (len(column) - 1) / 2))
        inside = sum(hypot(*(place - places[i])) < NEAR for place in places[i + 1 :])
        size = SIZE + RING * inside
        filled = is_filled(row["precision"])
        mark(axes, row[field], 100 * row["accuracy"], look, filled, markersize=size)


ENDS = ("low", "high")


def _interval(
    figure: Any, axes: Any, row: dict[str, Any], field: str, look: Look, aside: float
) -> None:
    """The interval of an accuracy, so many pixels beside its point: across, not along, its axis."""
    from matplotlib.transforms import ScaledTranslation

    moved = axes.transData + ScaledTranslation(aside / DPI, 0, figure.dpi_scale_trans)
    ends = [100 * row[end] for end in ENDS]
    axes.plot([row[field]] * 2, ends, color=look.colour, linewidth=1.1, alpha=0.7, transform=moved)
