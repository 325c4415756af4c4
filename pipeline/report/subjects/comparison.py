"""Several runs in one table, each with its differences to the first run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import numbers, table, words
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.subjects.confusion import are_uneven
from hintlite.pipeline.report.subjects.table import (
    BALANCED,
    BALANCED_NOTE,
    COSTS,
    WORTH,
    balanced,
    costs,
    worth,
)

SMALLER = (*words("run"), *COSTS, *numbers(formats.signed_percent, "against first"))
BETTER = (*WORTH, *numbers(formats.signed_points, "points against first"))
FASTER = (
    *numbers(formats.microseconds, "p50, µs"),
    *numbers(formats.signed_percent, "against first"),
    *words("verdict"),
)


def render(reports: Sequence[Report]) -> Section | None:
    """The table; None for a single run."""
    if len(reports) < 2:
        return None
    first = {(row["model"], row["precision"]): row for row in reports[0].facts["rows"]}
    uneven = any(are_uneven(report.facts) for report in reports)
    rows = [
        _row(report.name, row, first.get((row["model"], row["precision"]), {}), uneven)
        for report in reports
        for row in report.facts["rows"]
    ]
    if not rows:
        return None
    columns = (*SMALLER, *BETTER, *(BALANCED if uneven else ()), *FASTER)
    content = table("Every run, model and precision", columns, rows)
    note = f"{BALANCED_NOTE if uneven else ''}{_note(reports)}"
    return Section("table", "Runs compared", content, note)


def _note(reports: Sequence[Report]) -> str:
    sentences = [
        f"“Against first” compares with the same model and precision of run {reports[0].name}."
    ]
    if _differ(reports, lambda facts: (facts["data"] or {}).get("test_sha256")):
        sentences.append(
            "The runs were tested on different samples: their accuracies differ for that, too."
        )
    if _differ(reports, lambda facts: facts["machines"] or None):
        sentences.append("They were measured on different machines: compare no latencies.")
    return " ".join(sentences)


def _differ(reports: Sequence[Report], value: Callable[[dict[str, Any]], Any]) -> bool:
    known = [each for each in (value(report.facts) for report in reports) if each is not None]
    return any(each != known[0] for each in known)


def _row(name: str, row: dict[str, Any], first: dict[str, Any], uneven: bool) -> list[Any]:
    def relative(field: str) -> float | None:
        value, reference = row[field], first.get(field)
        return None if value is None or not reference else value / reference - 1

    accuracy, reference = row["accuracy"], first.get("accuracy")
    points = None if accuracy is None or reference is None else accuracy - reference
    return [
        *(name, *costs(row), relative("bytes")),
        *(*worth(row), points, *(balanced(row) if uneven else ())),
        *(row["p50_us"], relative("p50_us"), row["verdict"]),
    ]
