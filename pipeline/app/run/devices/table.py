"""The table of devices on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hintlite.pipeline.app.run.console import Terminal

if TYPE_CHECKING:
    from hintlite.benchmarks.targets.base import BenchmarkResult
    from hintlite.benchmarks.targets.device_row import DeviceRow

COLUMNS = (
    *("device", "model", "precision", "threads", "XNNPACK", "cold start", "p50", "p90", "p99"),
    *("peak memory", "samples right", "temperature", "throttled", "verdict"),
)
LEFT = 3  # columns of words, set to the left


def print_devices(terminal: Terminal, results: Sequence[BenchmarkResult]) -> None:
    """Prints one line a device, and what makes its figures doubtful; empty is unknown."""
    from rich.markup import escape
    from rich.table import Table

    from hintlite.benchmarks.targets.device_row import device_row

    table = Table(box=None, pad_edge=False)
    for number, name in enumerate(COLUMNS):
        table.add_column(name, justify="left" if number < LEFT else "right", no_wrap=True)
    ordered = sorted(results, key=lambda result: result.target)
    for result in ordered:
        table.add_row(*(escape(text) for text in cells(device_row(result.to_dict()))))
    out = terminal.out
    if not out.is_terminal:
        out.width = 240
    out.print(table)
    for result in ordered:
        for reason in result.verdict["reasons"]:
            line = f"{result.target}: {reason['state']}: {reason['what']} ({reason['cure']})"
            out.print(line, markup=False)
    if any(result.kind == "simulated" for result in results):
        out.print("simulated devices have no times: an emulator's are not the device's")


def cells(row: DeviceRow) -> list[str]:
    """The texts of a row; empty for what is unknown."""
    from hintlite.benchmarks.targets.printable import printable

    return [
        row.device if row.kind == "measured" else f"{row.device} ({row.kind})",
        printable(row.model or ""),
        printable(row.precision or ""),
        _text(row.threads),
        _yes(row.delegate),
        _milliseconds(row.cold_start_us),
        *(_microseconds(value) for value in (row.p50_us, row.p90_us, row.p99_us)),
        "" if row.memory_bytes is None else f"{row.memory_bytes / 1e6:.1f} MB",
        "" if row.total is None else f"{row.correct} of {row.total}",
        "" if row.celsius is None else f"{row.celsius:.1f} C",
        _yes(row.throttled),
        row.verdict,
    ]


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _yes(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"


def _microseconds(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f} us"


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value / 1000:,.1f} ms"
