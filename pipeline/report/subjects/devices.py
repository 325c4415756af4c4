"""What devices over SSH answered of the bundled student: one table, and what makes it doubtful."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from hintlite.benchmarks.targets.device_row import device_row
from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import entries, join, numbers, of, words
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.series import of_run, reasons, run_table
from hintlite.pipeline.runs.layout import RESULT
from hintlite.pipeline.runs.reading import RunFiles

TIMES = ("cold_start_us", "p50_us", "p90_us", "p99_us")
COLUMNS = (
    *words("device", "run", "kind", "machine", "system", "runtime", "model", "precision"),
    *numbers(formats.text, "threads"),
    *words("XNNPACK applied"),
    *numbers(formats.microseconds, "cold start, µs", "p50, µs", "p90, µs", "p99, µs"),
    *numbers(formats.count, "peak memory, bytes", "samples right"),
    *numbers(formats.number, "temperature, °C"),
    *words("throttled", "verdict"),
)
NOTE = (
    "The bundled student, measured on the device itself by bench_tflite.py. Cold start: import, "
    "load, allocation and first inference in a fresh process. Samples right counts the bundled "
    "samples, which are of the validation part. A simulated device has no times: an emulator’s "  # noqa: RUF001
    "are not the device’s."  # noqa: RUF001
)


def devices(run: RunFiles) -> list[dict[str, Any]]:
    """One entry a device: the fields of DeviceRow, system, reasons of the verdict."""
    results = [run.json(name, RESULT) for name in run.targets]
    return [_entry(result) for result in results if result is not None and is_device(result)]


def is_device(result: Mapping[str, Any]) -> bool:
    """Whether it came from a device, not from a microcontroller's emulator."""
    return "device" in (result.get("raw") or {})


def _entry(result: dict[str, Any]) -> dict[str, Any]:
    raw = result["raw"]
    machine = raw.get("machine") or {}
    return {
        **asdict(device_row(result)),
        "machine": machine.get("model") or machine.get("cpu"),
        "system": raw["device"].get("os"),
        "emulator": raw["device"].get("emulator"),
        "runtime": " ".join(
            str(raw["device"][name]) for name in ("runtime", "version") if raw["device"].get(name)
        ),
        "reasons": result["verdict"]["reasons"],
    }


def render(reports: Sequence[Report]) -> Section | None:
    """The table; None where no device was measured."""
    found = [(report, entry) for report in reports for entry in report.facts["devices"]]
    if not found:
        return None
    doubts = [
        line
        for report, entry in found
        for line in reasons(f"{entry['device']}{of_run(reports, report)}", entry)
    ]
    content = run_table(reports, "Devices", COLUMNS, [_row(*pair) for pair in found])
    return Section("devices", "Devices", join(content, entries(doubts)), NOTE)


def _row(report: Report, entry: dict[str, Any]) -> list[Any]:
    return [
        *(entry["device"], report.name, entry["kind"], entry["machine"]),
        entry["emulator"] or entry["system"],
        *(entry[name] for name in ("runtime", "model", "precision", "threads", "delegate", *TIMES)),
        *(entry["memory_bytes"], of(entry["correct"], entry["total"])),
        *(entry[name] for name in ("celsius", "throttled", "verdict")),
    ]
