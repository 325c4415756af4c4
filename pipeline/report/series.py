"""Which colour and marker stands for which model and run, the same in all pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from hintlite.pipeline.report.facts.table import INT8
from hintlite.pipeline.report.markup import heading, join, legend
from hintlite.pipeline.report.names import model_title
from hintlite.pipeline.report.palette import COLOURS, MARKERS, Look, look
from hintlite.pipeline.report.section import Report
from hintlite.pipeline.runs.layout import TEACHER

# The markers' outlines in a box from -5 to 5, for legends; keys are matplotlib's names.
OUTLINES = {
    "o": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
    "s": "M-4 -4H4V4H-4z",
    "^": "M0 -4.5L4.5 4.5H-4.5z",
    "D": "M0 -5L5 0L0 5L-5 0z",
    "v": "M0 4.5L4.5 -4.5H-4.5z",
    "P": "M-1.7 -5H1.7V-1.7H5V1.7H1.7V5H-1.7V1.7H-5V-1.7H-1.7z",
    "X": "M-2.5 -5L0 -2.5L2.5 -5L5 -2.5L2.5 0L5 2.5L2.5 5L0 2.5L-2.5 5L-5 2.5L-2.5 0L-5 -2.5z",
    "p": "M0 -5L4.8 -1.5L2.9 4.1H-2.9L-4.8 -1.5z",
}


def model_names(reports: Sequence[Report]) -> list[str]:
    """The teacher and all arms of all runs, each once."""
    arms = [str(arm) for report in reports for arm in report.facts["settings"]["arms"]]
    return [TEACHER, *dict.fromkeys(arms)]


def model_look(reports: Sequence[Report], name: str) -> Look:
    """How a model is drawn; the members of an ensemble as the teacher, then as what follows."""
    names = model_names(reports)
    if not name.startswith("teacher/"):
        return look(names.index(name))
    member = int(name.removeprefix("teacher/"))
    return look(0 if member == 0 else len(names) + member - 1)


def point_look(reports: Sequence[Report], report: Report, name: str) -> Look:
    """How a point is drawn where runs stand together: colour of the run, marker of the model."""
    if len(reports) == 1:
        return model_look(reports, name)
    run = look(1 + reports.index(report))
    return Look(run.colour, look(model_names(reports).index(name)).marker)


def symbol(drawn: Look, filled: bool = True) -> Markup:
    """A legend's symbol."""
    colour = f"var({COLOURS[drawn.colour][0]})"
    fill = colour if filled else "none"
    return Markup(
        '<svg class="symbol" aria-hidden="true" viewBox="-7 -7 14 14"><path d="{}" style="fill:{};'
        'stroke:{};stroke-width:1.5"/></svg>'
    ).format(OUTLINES[drawn.marker], fill, colour)


def point_legend(reports: Sequence[Report]) -> Markup:
    """A legend of models, precisions and, if there are several, runs."""
    ink = next(iter(COLOURS))
    several = len(reports) > 1
    entries = []
    for name in model_names(reports):
        drawn = model_look(reports, name)
        entries.append((symbol(Look(ink, drawn.marker) if several else drawn), model_title(name)))
    entries += [
        (symbol(Look(ink, MARKERS[0]), filled=False), "hollow: float"),
        (symbol(Look(ink, MARKERS[0])), "filled: INT8"),
    ]
    if several:
        entries += [
            (symbol(Look(look(1 + i).colour, MARKERS[1])), f"run {report.name}")
            for i, report in enumerate(reports)
        ]
    return legend(entries)


def is_filled(precision: str) -> bool:
    """Whether a precision's markers are filled."""
    return precision == INT8


def per_run(
    reports: Sequence[Report], render: Callable[[int, Report], Markup | None]
) -> Markup | None:
    """A section's content run by run, with headings where there are several runs.

    Args:
        reports: the runs.
        render: from the run's place and the run to its content; None if it has none.
    """
    parts: list[Any] = []
    for place, report in enumerate(reports):
        content = render(place, report)
        if content:
            parts += [heading(f"Run {report.name}"), content] if len(reports) > 1 else [content]
    return join(*parts) if parts else None
