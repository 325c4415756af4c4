"""What a run lacks, and the command that makes it."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from hintlite.pipeline.report.markup import entries, join, paragraph, part
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.series import per_run

STATES = {
    "missing": "has not run",
    "begun": "was begun and is not finished",
    "outdated": "is out of date",
    "changed": "is not read",
}


def render(reports: Sequence[Report]) -> Section | None:
    """The stages that the page has no figures of; None if all runs are complete."""
    content = per_run(reports, _one)
    note = "The page shows stages that are complete and fit together; other figures are –."  # noqa: RUF001
    return Section("unfinished", "What is missing", content, note) if content else None


def _one(place: int, report: Report) -> Markup | None:
    unfinished = report.facts["unfinished"]
    if not unfinished:
        return None
    return join(
        entries([_line(each) for each in unfinished]),
        paragraph("To complete the run from where it stopped:"),
        part("code", text=report.facts["resume"]),
    )


def _line(entry: dict[str, str]) -> str:
    line = f"{entry['name']} {STATES[entry['state']]}"
    return f"{line}: {entry['reason']}" if entry["reason"] else line
