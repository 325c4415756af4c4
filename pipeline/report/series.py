"""Which colour and marker stands for which model and run, the same in all pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hintlite.pipeline.report.figure import drawing, name_lines
from hintlite.pipeline.report.markup import Column, heading, join, legend, table
from hintlite.pipeline.report.names import model_title
from hintlite.pipeline.report.palette import COLOURS, INK, MARKERS, Look, look
from hintlite.pipeline.report.section import Report
from hintlite.pipeline.runs.layout import INTEGER, TEACHER

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
    return legend([(symbol(drawn, filled), text) for drawn, text, filled in legend_of(reports)])


def legend_of(reports: Sequence[Report]) -> list[tuple[Look, str, bool]]:
    """What stands for which model, precision and run: its look, its name, whether it is filled."""
    several = len(reports) > 1
    looks = {name: model_look(reports, name) for name in model_names(reports)}
    models = [
        (Look(INK, drawn.marker) if several else drawn, model_title(name), True)
        for name, drawn in looks.items()
    ]
    kinds = [(Look(INK, MARKERS[0]), kind, kind != HOLLOW) for kind in (HOLLOW, SOLID)]
    runs = [
        (Look(look(1 + i).colour, MARKERS[1]), f"run {report.name}", True)
        for i, report in enumerate(reports)
    ]
    return [*models, *kinds, *(runs if several else ())]


HOLLOW, SOLID = "hollow: float", "filled: integers"
FILLED = "hollow float, filled integers"
APART = 0.28  # of the distance of two models' lines: between the precisions of one model


@contextmanager
def lines_of(
    entries: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[Figure, Axes, list[float]]]:
    """Axes with a named line a model, on which its precisions stand one below the other.

    Args:
        entries: each with a model; those of one model in the order of their precisions.

    Yields:
        The figure, its axes, and how high each entry stands.
    """
    models = list(dict.fromkeys(entry["model"] for entry in entries))
    own = {model: [i for i, e in enumerate(entries) if e["model"] == model] for model in models}
    places = [0.0] * len(entries)
    for line, indices in enumerate(own.values()):
        for rank, index in enumerate(indices):
            places[index] = line + APART * (rank - (len(indices) - 1) / 2)
    with drawing(height=70 + 38 * len(models)) as (figure, axes):
        name_lines(axes, [model_title(model) for model in models])
        yield figure, axes, places


def is_filled(precision: str) -> bool:
    """Whether a precision's markers are filled: those of integers are, of floating point not."""
    return precision in INTEGER


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


def run_table(
    reports: Sequence[Report],
    caption: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Any]],
) -> Markup:
    """A table of all runs; for a single one without the columns that tell runs apart."""
    shown = [len(reports) > 1 or column.title not in TELLING for column in columns]
    kept = [[each for each, show in zip(row, shown, strict=True) if show] for row in rows]
    return table(caption, [c for c, show in zip(columns, shown, strict=True) if show], kept)


TELLING = ("run", "against first")


def of_run(reports: Sequence[Report], report: Report) -> str:
    """Which run is meant, where there are several."""
    return f" of run {report.name}" if len(reports) > 1 else ""


def reasons(what: str, verdict: Mapping[str, Any]) -> list[str]:
    """What speaks against a result, a sentence each.

    Args:
        what: the result.
        verdict: its state and reasons.
    """
    return [
        f"{what} is {reason['state']}: {reason['what']}. Why it matters: {reason['why']}. "
        f"What to do: {reason['cure']}."
        for reason in verdict["reasons"]
    ]
