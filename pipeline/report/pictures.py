"""The page's pictures of accuracy against cost as stand-alone SVG files, for a README or a slide.

Each brings its legend, its name and description, and white paper, so that it is legible on a light
and on a dark page.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.lines import Line2D

from hintlite.files import write_whole
from hintlite.pipeline.report.collect import collect
from hintlite.pipeline.report.figure import DPI, drawing, standalone, to_picture
from hintlite.pipeline.report.names import model_title
from hintlite.pipeline.report.page import report_names
from hintlite.pipeline.report.palette import INK, MARKERS, Look, look
from hintlite.pipeline.report.section import Report
from hintlite.pipeline.report.series import model_look, model_names
from hintlite.pipeline.report.subjects.accuracy import AXES, Point, draw, points_of, summary_of
from hintlite.pipeline.runs.reading import UnreadableError

WIDTH, HEIGHT = 480, 400  # pixels; the axes are as on the page, below them stands the legend
MARGIN = 10 / DPI  # inches


def write_pictures(runs: Sequence[Path], folder: Path) -> list[Path]:
    """Writes accuracy-bytes.svg, accuracy-latency.svg and accuracy-macs.svg.

    Args:
        runs: run folders; the same folders give the same bytes.
        folder: made if it is missing.

    Returns:
        The files; a picture of which nothing is known yet is left out.

    Raises:
        UnreadableError: a folder that is no run, or runs of which no model was evaluated.
    """
    names = report_names(runs)
    reports = [Report(name, run, collect(run)) for name, run in zip(names, runs, strict=True)]
    written = []
    for field, label, title in AXES:
        points = points_of(reports, field)
        if points:
            path = folder / f"accuracy-{FILES[field]}.svg"
            write_whole(path, _picture(reports, points, field, label, title))
            written.append(path)
    if not written:
        raise UnreadableError(
            "no model of these runs was evaluated yet, so that there is nothing to draw: "
            f"`hintlite run {runs[0]}` goes on"
        )
    return written


FILES = {"bytes": "bytes", "p50_us": "latency", "macs": "macs"}


def _picture(
    reports: Sequence[Report], points: list[Point], field: str, label: str, title: str
) -> str:
    with drawing(height=HEIGHT, width=WIDTH) as (figure, axes):
        figure.set_layout_engine("constrained", w_pad=MARGIN, h_pad=MARGIN)
        draw(figure, axes, reports, points, field, label)
        axes.set_title(title, loc="left", fontweight="bold", fontsize=12)
        figure.legend(
            handles=_handles(reports),
            loc="outside lower center",
            ncols=2,
            frameon=False,
            fontsize=9.5,
        )
        description = f"{summary_of(points)} Bars are 95 % intervals; up and to the left is better."
        return standalone(to_picture(figure, f"accuracy-{field}", title, description))


def _handles(reports: Sequence[Report]) -> list[Line2D]:
    """The legend: models, precisions and, if there are several, runs."""
    several = len(reports) > 1
    entries = [
        (Look(INK, drawn.marker) if several else drawn, model_title(name), True)
        for name in model_names(reports)
        if (drawn := model_look(reports, name))
    ]
    entries += [(Look(INK, MARKERS[0]), "hollow: float", False)]
    entries += [(Look(INK, MARKERS[0]), "filled: INT8", True)]
    if several:
        entries += [
            (Look(look(1 + i).colour, MARKERS[1]), f"run {report.name}", True)
            for i, report in enumerate(reports)
        ]
    return [_handle(*entry) for entry in entries]


def _handle(drawn: Look, text: str, filled: bool) -> Line2D:
    options: dict[str, Any] = {"markerfacecolor": drawn.colour if filled else "none"}
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=drawn.marker,
        color=drawn.colour,
        markeredgewidth=1.5,
        label=text,
        **options,
    )
