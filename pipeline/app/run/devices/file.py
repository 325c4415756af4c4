"""The file of a fleet: several devices, each with what goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hintlite.errors import SettingsError

if TYPE_CHECKING:
    from hintlite.benchmarks.targets.ssh.device import Device

REQUEST = {"threads": int, "kernels": str, "timeout_s": int | float}
DEVICE = {
    **dict.fromkeys(("destination", "name", "identity", "ssh_config", "python", "folder"), str),
    "port": int,
    **dict.fromkeys(("install", "keep"), bool),
}
FORM = """devices:
  - pi@raspberrypi.local
  - {name: pi5, destination: pi@192.168.1.7, port: 2222, threads: 4}"""


@dataclass(frozen=True)
class Entry:
    """A device of a fleet.

    Args:
        device: which one, and how to reach it.
        request: what differs from the run's settings: threads, kernels, timeout_s.
    """

    device: Device
    request: Mapping[str, Any]


def read_devices(path: str | Path) -> list[Entry]:
    """Reads a fleet.

    Raises:
        SettingsError: no such file, no YAML, or entries that mean no devices.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path} cannot be read as YAML: {error}") from error
    listed = content.get("devices") if isinstance(content, dict) and len(content) == 1 else None
    if not isinstance(listed, list) or not listed:
        raise SettingsError(f"{path} must list devices, like this:\n{FORM}")
    entries = [_entry(each, f"{path}: device {number}") for number, each in enumerate(listed, 1)]
    names = [entry.device.name for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingsError(f"{path} names {', '.join(twice)} twice: give each a `name` of its own")
    return entries


def _entry(listed: Any, where: str) -> Entry:
    from hintlite.benchmarks.targets.base import BenchmarkError, BenchmarkRequest
    from hintlite.benchmarks.targets.ssh.device import Device, destination_of

    given = {"destination": listed} if isinstance(listed, str) else listed
    if not isinstance(given, dict) or not isinstance(given.get("destination"), str):
        raise SettingsError(f"{where} has no destination; the form is:\n{FORM}")
    known = {**DEVICE, **REQUEST}
    if unknown := sorted(map(str, set(given) - set(known))):
        raise SettingsError(
            f"{where} has {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        )
    for name, value in given.items():
        if not isinstance(value, known[name]):
            raise SettingsError(f"{where}: {name} cannot be {value!r}")
    request = {name: given[name] for name in REQUEST if name in given}
    settings = {name: value for name, value in given.items() if name not in REQUEST}
    settings["destination"] = destination_of(given["destination"]) or given["destination"]
    try:
        BenchmarkRequest(**request)
        return Entry(Device(**settings), request)
    except (BenchmarkError, TypeError) as error:
        raise SettingsError(f"{where}: {error}") from error
