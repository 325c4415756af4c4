"""How each figure is made again."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from hintlite.pipeline.report.markup import Column, cell, join, paragraph, part, table
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.series import per_run

COLUMNS = (
    Column("figure", number=False),
    Column("files in the run folder", number=False),
    Column("command", number=False),
)


def render(reports: Sequence[Report]) -> Section | None:
    """Always there: a command for each figure, run by run."""
    note = (
        "A stage that is up to date is not repeated; a run in a new folder makes everything anew. "
        "With the setting deterministic, training gives the same bits on the same machine and "
        "libraries, otherwise nearly the same figures; latencies are never quite the same."
    )
    return Section("reproduce", "How to reproduce", per_run(reports, _one) or Markup(""), note)


def _one(place: int, report: Report) -> Markup:
    rows = [
        [cell(entry["figure"]), cell(entry["files"]), cell(entry["command"])]
        for entry in report.facts["reproduce"]
    ]
    return join(
        paragraph("The whole run again, with the same settings, in a new folder:"),
        part("code", text=report.facts["repeat"]),
        table("Where each figure comes from", COLUMNS, rows, sortable=False),
    )
