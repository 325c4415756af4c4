"""What kind of phone adb reaches, and whether it is one at all."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hintlite.benchmarks.targets.adb import Adb

# Properties of the model of phone; nothing that names this one phone or its owner.
PROPERTIES = {
    "manufacturer": "ro.product.manufacturer",
    "model": "ro.product.model",
    "soc": "ro.soc.model",
    "hardware": "ro.hardware",
    "abi": "ro.product.cpu.abi",
    "android": "ro.build.version.release",
    "sdk": "ro.build.version.sdk",
    "build": "ro.build.id",
}
# Android's emulator: its kernel's command line gives the flags (the second since Android 11), its
# virtual boards have the names, and adb calls its consoles by their ports.
FLAGS = ("ro.kernel.qemu", "ro.boot.qemu")
BOARDS = ("ranchu", "goldfish")
CONSOLE = re.compile(r"emulator-\d+")


def properties(adb: Adb) -> dict[str, str]:
    """All that `getprop` lists."""
    text = adb.shell(["getprop"]).text
    return dict(re.findall(r"^\[([^\]]+)\]: \[([^\]]*)\]", text, re.MULTILINE))


def phone_facts(said: Mapping[str, str]) -> dict[str, str | None]:
    """What kind of phone it is; None where it does not say."""
    return {name: said.get(key) or None for name, key in PROPERTIES.items()}


def emulator_sign(serial: str, said: Mapping[str, str]) -> str | None:
    """What shows that this is Android's emulator; None where nothing does.

    Args:
        serial: as `adb devices` lists it.
        said: its properties.
    """
    for name in FLAGS:
        if said.get(name, "0") not in ("", "0"):
            return f"{name} is {said[name]}"
    if (board := said.get("ro.hardware")) in BOARDS:
        return f"ro.hardware is {board}"
    return f"adb calls it {serial}" if CONSOLE.fullmatch(serial) else None
