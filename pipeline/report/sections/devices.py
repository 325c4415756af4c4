"""Devices over SSH: one table, and what makes its figures doubtful."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import Cell, Column, cell, join, part, table
from hintlite.pipeline.report.section import Report, Section

TIMES = ("cold_start_us", "p50_us", "p90_us", "p99_us")
COLUMNS = (
    *(Column(name, number=False) for name in ("device", "run", "kind", "machine", "system")),
    *(Column(name, number=False) for name in ("runtime", "model", "precision")),
    Column("threads"),
    Column("XNNPACK applied", number=False),
    *(Column(f"{name}, µs") for name in ("cold start", "p50", "p90", "p99")),
    Column("peak memory, bytes"),
    Column("samples right"),
    Column("temperature, °C"),
    Column("throttled", number=False),
    Column("verdict", number=False),
)
NOTE = (
    "The bundled student, measured on the device itself by bench_tflite.py. Cold start: import, "
    "load, allocation and first inference in a fresh process. Samples right counts the bundled "
    "samples, which are of the validation part. A simulated device has no times: an emulator’s "  # noqa: RUF001
    "are not the device’s."  # noqa: RUF001
)


def render(reports: Sequence[Report]) -> Section | None:
    """The table; None where no device was measured."""
    found = [(report, entry) for report in reports for entry in report.facts["devices"]]
    if not found:
        return None
    rows = [_row(report, entry) for report, entry in found]
    shown = [column.title != "run" or len(reports) > 1 for column in COLUMNS]
    kept = [column for column, show in zip(COLUMNS, shown, strict=True) if show]
    cells = [[each for each, show in zip(row, shown, strict=True) if show] for row in rows]
    reasons = [line for report, entry in found for line in _reasons(reports, report, entry)]
    content = join(table("Devices", kept, cells), part("list", entries=reasons) if reasons else "")
    return Section("devices", "Devices", content, NOTE)


def _row(report: Report, entry: dict[str, Any]) -> list[Cell]:
    right = entry["correct"] / entry["total"] if entry["total"] else None
    count = formats.DASH if right is None else f"{entry['correct']} / {entry['total']}"
    return [
        *(cell(text) for text in (entry["device"], report.name, entry["kind"])),
        cell(formats.text(entry["machine"])),
        cell(formats.text(entry["emulator"] or entry["system"])),
        *(cell(formats.text(entry[name] or None)) for name in ("runtime", "model", "precision")),
        cell(formats.count(entry["threads"]), entry["threads"]),
        cell(formats.text(entry["delegate"])),
        *(cell(formats.microseconds(entry[name]), entry[name]) for name in TIMES),
        cell(formats.count(entry["memory_bytes"]), entry["memory_bytes"]),
        cell(count, right),
        cell(formats.number(entry["celsius"]), entry["celsius"]),
        cell(formats.text(entry["throttled"])),
        cell(entry["verdict"]),
    ]


def _reasons(reports: Sequence[Report], report: Report, entry: dict[str, Any]) -> list[str]:
    where = f"{entry['device']} of run {report.name}" if len(reports) > 1 else entry["device"]
    return [
        f"{where} is {reason['state']}: {reason['what']}. Why it matters: {reason['why']}. "
        f"Cure: {reason['cure']}."
        for reason in entry["reasons"]
    ]
