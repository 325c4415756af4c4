"""What devices over SSH answered of the bundled student."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hintlite.benchmarks.targets.device_row import device_row
from hintlite.pipeline.runs.reading import RunFiles

RESULT = "result.json"


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
