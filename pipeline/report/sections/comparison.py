"""Several runs in one table, each with its differences to the first run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import Cell, Column, cell, table
from hintlite.pipeline.report.names import model_title, precision_title
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.sections.table import right_of_all

COLUMNS = (
    Column("run", number=False),
    Column("model", number=False),
    Column("precision", number=False),
    Column("parameters"),
    Column("MACs"),
    Column("file, bytes"),
    Column("against first"),
    Column("right of all"),
    Column("accuracy"),
    Column("95 % interval"),
    Column("points against first"),
    Column("p50, µs"),
    Column("against first"),
    Column("verdict", number=False),
)


def render(reports: Sequence[Report]) -> Section | None:
    """The table; None for a single run."""
    if len(reports) < 2:
        return None
    first = {(row["model"], row["precision"]): row for row in reports[0].facts["rows"]}
    rows = [
        _cells(report.name, row, first.get((row["model"], row["precision"]), {}))
        for report in reports
        for row in report.facts["rows"]
    ]
    if not rows:
        return None
    content = table("Every run, model and precision", COLUMNS, rows)
    return Section("table", "Runs compared", content, _note(reports))


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


def _cells(name: str, row: dict[str, Any], first: dict[str, Any]) -> list[Cell]:
    smaller = _relative(row["bytes"], first.get("bytes"))
    points = _difference(row["accuracy"], first.get("accuracy"))
    faster = _relative(row["p50_us"], first.get("p50_us"))
    return [
        cell(name),
        cell(model_title(row["model"])),
        cell(precision_title(row["precision"])),
        cell(formats.count(row["parameters"]), row["parameters"]),
        cell(formats.count(row["macs"]), row["macs"]),
        cell(formats.count(row["bytes"]), row["bytes"]),
        cell(formats.signed_percent(smaller), smaller),
        cell(right_of_all(row), row["correct"]),
        cell(formats.percent(row["accuracy"]), row["accuracy"]),
        cell(formats.interval(row["low"], row["high"]), row["low"]),
        cell(formats.signed_points(points), points),
        cell(formats.microseconds(row["p50_us"]), row["p50_us"]),
        cell(formats.signed_percent(faster), faster),
        cell(formats.text(row["verdict"])),
    ]


def _difference(value: float | None, first: float | None) -> float | None:
    return None if value is None or first is None else value - first


def _relative(value: float | None, first: float | None) -> float | None:
    return None if value is None or not first else value / first - 1
