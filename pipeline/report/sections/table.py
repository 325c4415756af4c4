"""The table of one run: every model in every precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import Cell, Column, cell, table
from hintlite.pipeline.report.names import model_title, precision_title
from hintlite.pipeline.report.section import Report, Section

COLUMNS = (
    Column("model", number=False),
    Column("precision", number=False),
    Column("parameters"),
    Column("MACs"),
    Column("file, bytes"),
    Column("right of all"),
    Column("accuracy"),
    Column("95 % interval"),
    Column("p50, µs"),
    Column("p99, µs"),
    Column("speed-up"),
    Column("verdict", number=False),
)


def render(reports: Sequence[Report]) -> Section | None:
    """The table; None if nothing is known yet, or for several runs, which comparison.py shows."""
    if len(reports) != 1 or not reports[0].facts["rows"]:
        return None
    facts = reports[0].facts
    rows = [_cells(row) for row in facts["rows"]]
    content = table("Every model in every precision", COLUMNS, rows)
    return Section("table", "Models", content, _note(facts))


def _note(facts: dict[str, Any]) -> str:
    return (
        f"{test_part(facts)} Intervals are Wilson’s. "  # noqa: RUF001
        "Speed-up: median latency of the float teacher over this one’s. "  # noqa: RUF001
        "The verdict is about the latency; under Latency stands what it rests on."
    )


def test_part(facts: dict[str, Any]) -> str:
    """A sentence on the test part; empty if there was none yet."""
    total = (facts["data"] or {}).get("test")
    if total is None:
        return ""
    return f"Accuracy on {formats.count(total)} test samples, each seen once, after all training."


def _cells(row: dict[str, Any]) -> list[Cell]:
    return [
        cell(model_title(row["model"])),
        cell(precision_title(row["precision"])),
        cell(formats.count(row["parameters"]), row["parameters"]),
        cell(formats.count(row["macs"]), row["macs"]),
        cell(formats.count(row["bytes"]), row["bytes"]),
        cell(right_of_all(row), row["correct"]),
        cell(formats.percent(row["accuracy"]), row["accuracy"]),
        cell(formats.interval(row["low"], row["high"]), row["low"]),
        cell(formats.microseconds(row["p50_us"]), row["p50_us"]),
        cell(formats.microseconds(row["p99_us"]), row["p99_us"]),
        cell(formats.ratio(row["speed_up"]), row["speed_up"]),
        cell(formats.text(row["verdict"])),
    ]


def right_of_all(row: dict[str, Any]) -> str:
    """Right samples of all: 349 / 359."""
    if row["correct"] is None:
        return formats.DASH
    return f"{formats.count(row['correct'])} / {formats.count(row['total'])}"
