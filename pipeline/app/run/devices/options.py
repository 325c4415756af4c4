"""Which devices the words of `hintlite benchmark` mean; read before anything heavy is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hintlite.benchmarks.targets.names import TARGETS
from hintlite.pipeline.app.cli.parser import Parser
from hintlite.pipeline.app.run.devices.file import Entry, read_devices

OPTIONS = (
    ("targets", str, "a YAML file of devices, which are measured side by side"),
    ("port", int, "of the device's SSH server"),
    ("identity", str, "file of the private key for the device"),
    ("ssh_config", str, "file to read instead of ~/.ssh/config"),
    ("python", str, "the Python to use on the device, by default python3"),
    ("remote_folder", str, "where the fresh folder is made there, by default $TMPDIR or /tmp"),
    ("timeout_s", float, "seconds after which the measurement is given up, by default 600"),
    ("install", bool, "where the device has no runtime, put one into a folder of its own"),
    ("keep", bool, "leave on the device what was copied"),
)


def add_devices(parser: Parser) -> None:
    """Adds them to the parser of `benchmark`."""
    for name, kind, what in OPTIONS:
        if kind is bool:
            parser.switch(f"--{name}", what)
        else:
            parser.add_argument(f"--{name}", type=kind | None, help=what)


def check_options(options: Mapping[str, Any]) -> str | None:
    """What is wrong with the options of `benchmark` that concern devices; None if nothing is.

    Raises:
        BenchmarkError: as `wanted` does.
    """
    from hintlite.benchmarks.targets.ssh.device import destination_of

    given = [name for name, *_ in OPTIONS if name != "targets" and options.get(name)]
    single = destination_of(options["target"]) is not None
    if options["targets"] and options["target"] != TARGETS[0]:
        return "--targets names devices in a file, --target names one: give one of them"
    odd = [name for name in given if options["targets"] and name not in ("install", "keep")]
    if odd:
        return f"--{odd[0]} belongs to one device: with --targets it stands in the file"
    if given and not single and not options["targets"]:
        return f"--{given[0]} goes with a device: --target user@host, --target ssh:ALIAS, --targets"
    wanted(options)
    return None


def wanted(options: Mapping[str, Any]) -> list[Entry] | None:
    """The devices that the options of `benchmark` mean; None where they mean none.

    Raises:
        BenchmarkError: a device, its time limit or the file of devices is not sound.
    """
    from hintlite.benchmarks.targets.base import BenchmarkRequest
    from hintlite.benchmarks.targets.ssh.device import Device, destination_of

    install, keep = bool(options.get("install")), bool(options.get("keep"))
    if options.get("targets"):
        entries = read_devices(options["targets"])
        return [
            replace(
                entry,
                device=replace(
                    entry.device,
                    install=entry.device.install or install,
                    keep=entry.device.keep or keep,
                ),
            )
            for entry in entries
        ]
    destination = destination_of(options.get("target") or "")
    if destination is None:
        return None
    single = Device(
        destination,
        port=options["port"],
        identity=options["identity"],
        ssh_config=options["ssh_config"],
        python=options["python"] or "python3",
        folder=options["remote_folder"],
        install=install,
        keep=keep,
    )
    if options.get("timeout_s") is None:
        return [Entry(single, {})]
    BenchmarkRequest(timeout_s=options["timeout_s"])  # refuses what is no time
    return [Entry(single, {"timeout_s": options["timeout_s"]})]
