"""Ethos-U NPUs in the microcontrollers' section: Vela's estimates, never measured or simulated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import (
    entries,
    heading,
    join,
    numbers,
    paragraph,
    table,
    words,
)
from hintlite.pipeline.report.names import result_title
from hintlite.pipeline.report.section import Report
from hintlite.pipeline.report.series import of_run, reasons, run_table
from hintlite.pipeline.runs.layout import INT8

Entry = dict[str, Any]
NOTE = (
    "Estimated by Vela, Arm’s compiler for Ethos-U, from its model of the NPU and its memories: "  # noqa: RUF001
    "nothing was run. Operators that the NPU does not have are left to the CPU, whose time is in "
    "none of these figures. The compiled model lies in the run’s targets folder."  # noqa: RUF001
)
COLUMNS = (
    *words("NPU", "network", "run"),
    *numbers(formats.count, "cycles"),
    *numbers(formats.microseconds, "time, µs"),
    *numbers(formats.number, "clock, MHz"),
    *numbers(formats.count, "SRAM, bytes", "DRAM, bytes", "flash, bytes", "compiled, bytes"),
    *numbers(formats.count, "on the CPU"),
    *words("system config", "memory mode", "kind", "verdict"),
)
LAYER_COLUMNS = (
    *numbers(formats.text, "layer"),
    *words("operator", "runs on"),
    *numbers(formats.count, "cycles"),
    *numbers(formats.tenths, "share"),
    *numbers(formats.count, "MACs", "SRAM, bytes"),
)


def npu_part(reports: Sequence[Report]) -> Markup | None:
    """The tables of all runs' NPUs; None where there are none."""
    found = [(report, entry) for report in reports for entry in report.facts["npus"]]
    if not found:
        return None
    caption = "Ethos-U: cycles, time and memory as Vela estimates them"
    return join(
        heading("Ethos-U, estimated"),
        paragraph(NOTE),
        run_table(reports, caption, COLUMNS, [_row(*pair) for pair in found]),
        entries([line for pair in found for line in _doubts(reports, *pair)]),
        *(_layers(reports, *pair) for pair in found),
    )


def _row(report: Report, entry: Entry) -> list[Any]:
    flash = entry["on_chip_flash_bytes"] + entry["off_chip_flash_bytes"]
    return [
        *(entry["target"], result_title(entry["model"], INT8), report.name),
        *(entry["cycles"], entry["inference_time_us"], entry["core_clock_hz"] / 1e6),
        *(entry["sram_bytes"], entry["dram_bytes"], flash, entry["compiled_bytes"]),
        len(entry["cpu_operators"]),
        *(entry[name] for name in ("system_config", "memory_mode", "kind")),
        entry["verdict"]["state"],
    ]


def _doubts(reports: Sequence[Report], report: Report, entry: Entry) -> list[str]:
    where = f"{entry['target']}{of_run(reports, report)}"
    return reasons(where, entry["verdict"]) + [
        f"{where}: {each['operator']} runs on the CPU: {each['reason'] or 'Vela gives no reason'}."
        for each in entry["cpu_operators"]
    ]


def _layers(reports: Sequence[Report], report: Report, entry: Entry) -> Markup:
    total = entry["cycles"]
    rows = [
        [
            *(layer[name] for name in ("index", "operator", "target", "cycles")),
            layer["cycles"] / total if total else None,
            *(layer[name] for name in ("macs", "sram_bytes")),
        ]
        for layer in entry["layers"]
    ]
    title = f"{entry['target']}{of_run(reports, report)}"
    return table(f"Layers on {title}, estimated", LAYER_COLUMNS, rows)
