"""Phones and other devices: what was measured there, read back from results and logs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import Cell, Column, cell, join, paragraph, table
from hintlite.pipeline.report.section import Report, Section

TIMES = ("first", "min", "p50", "mean", "p95", "max", "std")
COLUMNS = (
    Column("file", number=False),
    Column("device", number=False),
    Column("kind", number=False),
    Column("kernels", number=False),
    Column("threads"),
    *(Column(f"{name}, µs") for name in TIMES),
    Column("verdict", number=False),
    Column("read from", number=False),
)
NOTE = (
    "benchmark_model feeds one random input and looks at no output: its results have no accuracy. "
    "A log of it names neither its device nor the model’s hash, and nobody judged it."  # noqa: RUF001
)


def render(reports: Sequence[Report]) -> Section | None:
    """A table of all results; None without any."""
    found = [
        (report, entry)
        for report in reports
        for entry in (*report.facts["phones"], *report.facts.get("measured", ()))
    ]
    if not found:
        return None
    several = len(reports) > 1
    rows = [_row(report.name if several else None, entry) for report, entry in found]
    content = join(table("Results from phones and other devices", COLUMNS, rows), *_doubts(found))
    return Section("phones", "Phones and other devices", content, NOTE)


def _row(run: str | None, entry: dict[str, Any]) -> list[Cell]:
    name = entry["model"] or formats.DASH
    times = entry["latency_us"]
    return [
        cell(f"{run}: {name}" if run else name),
        *(cell(formats.text(entry[key])) for key in ("device", "kind", "kernels")),
        cell(formats.text(entry["threads"]), entry["threads"]),
        *(cell(formats.microseconds(times[key]), times[key]) for key in TIMES),
        cell(entry["verdict"] or "not judged"),
        cell(entry["source"]),
    ]


def _doubts(found: Sequence[tuple[Report, dict[str, Any]]]) -> list[Markup]:
    return [
        paragraph(f"{entry['source']}: {entry['verdict']}, {'; '.join(entry['reasons'])}.")
        for _, entry in found
        if entry["reasons"]
    ]
