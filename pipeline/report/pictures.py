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
from hintlite.pipeline.report.figure import DPI, drawing, standalone, to_picture
from hintlite.pipeline.report.page import read_reports
from hintlite.pipeline.report.palette import Look
from hintlite.pipeline.report.section import Report
from hintlite.pipeline.report.series import legend_of
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
    reports = read_reports(runs)
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
        axes.set_title(title, loc="left", fontweight="bold", fontsize=12)
        handles = [_handle(*entry) for entry in legend_of(reports)]
        where: dict[str, Any] = {
            "loc": "outside lower center",
            "ncols": 2,
            "frameon": False,
            "fontsize": 9.5,
        }
        figure.legend(handles=handles, **where)
        draw(figure, axes, reports, points, field, label)
        description = f"{summary_of(points)} Bars are 95 % intervals; up and to the left is better."
        return standalone(to_picture(figure, f"accuracy-{field}", title, description))


def _handle(drawn: Look, text: str, filled: bool) -> Line2D:
    style: dict[str, Any] = {
        "linestyle": "none",
        "marker": drawn.marker,
        "color": drawn.colour,
        "markerfacecolor": drawn.colour if filled else "none",
        "markeredgewidth": 1.5,
    }
    return Line2D([], [], label=text, **style)
