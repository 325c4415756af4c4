"""Ethos-U NPUs in the microcontrollers' section: Vela's estimates, a table and its layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import (
    Cell,
    Column,
    cell,
    heading,
    join,
    paragraph,
    part,
    table,
)
from hintlite.pipeline.report.names import result_title
from hintlite.pipeline.report.section import Report

Entry = dict[str, Any]
NOTE = (
    "Estimated by Vela, Arm’s compiler for Ethos-U, from its model of the NPU and its memories: "  # noqa: RUF001
    "nothing was run. Operators that the NPU does not have are left to the CPU, whose time is in "
    "none of these figures. The compiled model lies in the run’s targets folder."  # noqa: RUF001
)
COLUMNS = (
    *(Column(name, number=False) for name in ("NPU", "network", "run")),
    Column("cycles"),
    Column("time, µs"),
    Column("clock, MHz"),
    *(Column(f"{name}, bytes") for name in ("SRAM", "DRAM", "flash", "compiled")),
    Column("on the CPU"),
    *(Column(name, number=False) for name in ("system config", "memory mode", "kind", "verdict")),
)
LAYER_COLUMNS = (
    Column("layer"),
    Column("operator", number=False),
    Column("runs on", number=False),
    Column("cycles"),
    Column("share"),
    Column("MACs"),
    Column("SRAM, bytes"),
)


def npu_part(reports: Sequence[Report]) -> Markup | None:
    """The tables of all runs' NPUs; None where there are none."""
    found = [(report, entry) for report in reports for entry in report.facts["npus"]]
    if not found:
        return None
    reasons = [line for report, entry in found for line in _reasons(reports, report, entry)]
    return join(
        heading("Ethos-U, estimated"),
        paragraph(NOTE),
        _table(reports, found),
        part("list", entries=reasons) if reasons else "",
        *(_layers(reports, report, entry) for report, entry in found),
    )


def _table(reports: Sequence[Report], found: Sequence[tuple[Report, Entry]]) -> Markup:
    shown = [len(reports) > 1 or column.title != "run" for column in COLUMNS]
    rows = [[each for each, show in zip(_row(*pair), shown, strict=True) if show] for pair in found]
    columns = [column for column, show in zip(COLUMNS, shown, strict=True) if show]
    return table("Ethos-U: cycles, time and memory as Vela estimates them", columns, rows)


def _row(report: Report, entry: Entry) -> list[Cell]:
    flash = entry["on_chip_flash_bytes"] + entry["off_chip_flash_bytes"]
    clock = entry["core_clock_hz"] / 1e6
    counts = (entry["sram_bytes"], entry["dram_bytes"], flash, entry["compiled_bytes"])
    return [
        cell(entry["target"]),
        cell(result_title(entry["model"], "int8") if entry["model"] else "student, INT8"),
        cell(report.name),
        cell(formats.count(entry["cycles"]), entry["cycles"]),
        cell(formats.microseconds(entry["inference_time_us"]), entry["inference_time_us"]),
        cell(formats.number(clock), clock),
        *(cell(formats.count(value), value) for value in counts),
        cell(formats.count(len(entry["cpu_operators"])), len(entry["cpu_operators"])),
        *(cell(entry[name]) for name in ("system_config", "memory_mode", "kind")),
        cell(entry["verdict"]["state"]),
    ]


def _reasons(reports: Sequence[Report], report: Report, entry: Entry) -> list[str]:
    of_run = f", run {report.name}" if len(reports) > 1 else ""
    lines = [
        f"{entry['target']}{of_run}: the verdict is {reason['state']}: {reason['what']}. "
        f"Why it matters: {reason['why']}. Cure: {reason['cure']}."
        for reason in entry["verdict"]["reasons"]
    ]
    return lines + [
        f"{entry['target']}{of_run}: {each['operator']} runs on the CPU: "
        f"{each['reason'] or 'Vela gives no reason'}."
        for each in entry["cpu_operators"]
    ]


def _layers(reports: Sequence[Report], report: Report, entry: Entry) -> Markup:
    title = f"{entry['target']}, run {report.name}" if len(reports) > 1 else entry["target"]
    rows = [_layer(layer, entry["cycles"]) for layer in entry["layers"]]
    return table(f"Layers on {title}, estimated", LAYER_COLUMNS, rows)


def _layer(layer: dict[str, Any], total: int) -> list[Cell]:
    share = layer["cycles"] / total if total else None
    return [
        cell(str(layer["index"]), layer["index"]),
        cell(layer["operator"]),
        cell(layer["target"]),
        cell(formats.count(layer["cycles"]), layer["cycles"]),
        cell(formats.percent(share, 1), share),
        cell(formats.count(layer["macs"]), layer["macs"]),
        cell(formats.count(layer["sram_bytes"]), layer["sram_bytes"]),
    ]
