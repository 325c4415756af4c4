"""Tables of emulated microcontrollers: the figures of a core, and the arenas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import Cell, Column, cell, table
from hintlite.pipeline.report.names import result_title
from hintlite.pipeline.report.section import Report

Entry = dict[str, Any]
Runs = list[tuple[Report, Entry]]  # the entry of each run that has one of this core

SIZES = ("code_bytes", "weight_bytes", "ram_bytes", "stack_bytes")
NAMES = (Column("network", number=False), Column("run", number=False))
COLUMNS = (
    *NAMES,
    Column("instructions per inference"),
    Column("against first"),
    *(Column(f"{name}, bytes") for name in ("code", "weights", "RAM", "stack")),
    Column("outputs equal"),
    Column("largest difference, steps"),
    Column("same class"),
    Column("kind", number=False),
    Column("verdict", number=False),
)
ARENAS = (
    *NAMES,
    Column("C, bytes"),
    Column("lower bound, bytes"),
    Column("TFLM, x86-64, bytes"),
    Column("TFLM / C"),
)


def core_table(reports: Sequence[Report], core: str, runs: Runs) -> Markup:
    """One core's figures, a line a run.

    Args:
        reports: all runs of the page; the others are compared with the first.
        core: its name.
        runs: the runs that have emulated it, at least one.
    """
    first = next((entry for report, entry in runs if report is reports[0]), None)
    rows = [_row(report, entry, first) for report, entry in runs]
    return _table(reports, f"{core}: instructions, memory, agreement", COLUMNS, rows)


def arena_table(reports: Sequence[Report], cores: Mapping[str, Runs]) -> Markup:
    """A line a run and arena: a network's arena is the same on all cores.

    Args:
        reports: all runs of the page.
        cores: core -> the runs that have emulated it.
    """
    found = [(report, entry) for runs in cores.values() for report, entry in runs]
    found.sort(key=lambda each: reports.index(each[0]))
    lines = {(report.name, *_sizes(entry)): _arena(report, entry) for report, entry in found}
    caption = "Arena: plain C and TensorFlow Lite Micro"
    return _table(reports, caption, ARENAS, list(lines.values()))


def _sizes(entry: Entry) -> tuple[int | None, ...]:
    names = ("arena_bytes", "arena_lower_bound_bytes", "tflm_arena_bytes_x86_64")
    return tuple(entry[name] for name in names)


def _arena(report: Report, entry: Entry) -> list[Cell]:
    ours, bound, tflm = _sizes(entry)
    ratio = tflm / ours if tflm and ours else None
    return [
        cell(_network(entry)),
        cell(report.name),
        cell(formats.count(ours), ours),
        cell(formats.count(bound), bound),
        cell(formats.count(tflm), tflm),
        cell(formats.ratio(ratio), ratio),
    ]


def _table(
    reports: Sequence[Report], caption: str, columns: Sequence[Column], rows: list[list[Cell]]
) -> Markup:
    """A table, for a single run without the columns that tell runs apart."""
    shown = [len(reports) > 1 or c.title not in ("run", "against first") for c in columns]
    kept = [column for column, show in zip(columns, shown, strict=True) if show]
    cells = [[each for each, show in zip(row, shown, strict=True) if show] for row in rows]
    return table(caption, kept, cells)


def _network(entry: Entry) -> str:
    return result_title(entry["model"], "int8") if entry["model"] else "student, INT8"


def _row(report: Report, entry: Entry, first: Entry | None) -> list[Cell]:
    count = entry["instructions_per_inference"]
    change = count / first["instructions_per_inference"] - 1 if first else None
    return [
        cell(_network(entry)),
        cell(report.name),
        cell(formats.count(count), count),
        cell(formats.signed_percent(change), change),
        *(cell(formats.count(entry[name]), entry[name]) for name in SIZES),
        *_agreement(entry["agreement"]),
        cell(entry["kind"]),
        cell(entry["verdict"]["state"]),
    ]


def _agreement(agreement: dict[str, Any] | None) -> list[Cell]:
    if agreement is None:
        return [cell(formats.DASH)] * 3
    largest = agreement["largest_difference_steps"]
    return [
        _of(agreement["equal"], agreement["outputs"]),
        cell(formats.count(largest), largest),
        _of(agreement["same_class"], agreement["samples"]),
    ]


def _of(part_: int, whole: int) -> Cell:
    return cell(f"{formats.count(part_)} / {formats.count(whole)}", part_ / whole)
