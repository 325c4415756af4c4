"""Which TFLite runtime there is for a device, and the command that installs it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any

from hintlite.benchmarks.targets.base import BenchmarkError
from hintlite.benchmarks.targets.ssh.command import ssh_words
from hintlite.benchmarks.targets.ssh.device import Device

LITERT, TFLITE = "ai-edge-litert", "tflite-runtime"
# What PyPI has wheels for: LiteRT for 64 bits from Python 3.9 on; tflite-runtime (2.14, and 2.11
# for Python 3.7) for Arm of both widths up to Python 3.11, every release of which crashes with
# numpy 2. For 32-bit Arm PyPI has no numpy: there it is Debian's.
LITERT_FROM, TFLITE_FROM, TFLITE_TO = (3, 9), (3, 7), (3, 11)
VENV = "hintlite-python"


@dataclass(frozen=True)
class Runtime:
    """Packages that make a device able to run models.

    Args:
        packages: as pip takes them.
        platforms: wheel tags that this device takes, best first (PEP 600).
        python: (major, minor) of the device.
        system_numpy: numpy is the system's, as there is none to download.
    """

    packages: tuple[str, ...]
    platforms: tuple[str, ...]
    python: tuple[int, int]
    system_numpy: bool = False


FREE_FACTS = ("os", "emulator", "system_id", "numpy", "runtime", "version", "error")
FACTS: dict[str, type | UnionType] = {
    **dict.fromkeys(("machine", "implementation"), str),
    **dict.fromkeys(("python", "libc"), list),
    "bits": int,
    **dict.fromkeys(FREE_FACTS, str | None),
}


def check_facts(facts: Mapping[str, Any]) -> None:
    """Refuses what is no answer of the agent's check.

    Raises:
        BenchmarkError: a fact is missing or of another kind.
    """
    odd = [name for name, kind in FACTS.items() if not isinstance(facts.get(name, ...), kind)]
    if not odd and not (
        [type(number) for number in facts["python"]] == [int] * 3
        and [type(word) for word in facts["libc"]] == [str] * 2
    ):
        odd = ["python or libc"]
    if odd:
        raise BenchmarkError(f"the device's facts are none: {', '.join(odd)}; run again")


def choose_runtime(facts: Mapping[str, Any]) -> Runtime:
    """The runtime for a device.

    Args:
        facts: what the agent's check returned.

    Raises:
        BenchmarkError: none is published for it.
    """
    machine, python = architecture(facts), (facts["python"][0], facts["python"][1])
    platforms = _platforms(machine, facts["libc"])
    # Without tags pip would take wheels for the machine that it runs on.
    if machine in ("aarch64", "x86_64") and python >= LITERT_FROM and platforms:
        return Runtime((LITERT, "numpy"), platforms, python)
    known = machine in ("aarch64", "x86_64", "armv7l") and platforms
    if known and TFLITE_FROM <= python <= TFLITE_TO:
        if machine == "armv7l":
            return Runtime((TFLITE,), platforms, python, system_numpy=True)
        return Runtime((TFLITE, "numpy<2"), platforms, python)
    raise BenchmarkError(
        f"no TFLite runtime is published for {machine} with Python {python[0]}.{python[1]} and "
        f"{_library(facts['libc'])}: both need glibc (Alpine has musl), {LITERT} needs a 64-bit "
        f"system with Python 3.9 or newer, {TFLITE} Python 3.7 to 3.11 on Armv7 or 64 bits. On a "
        "Raspberry Pi 3 or newer take the 64-bit system; on a 32-bit one "
        "Bookworm, whose Python is 3.11"
    )


def architecture(facts: Mapping[str, Any]) -> str:
    """The userland's architecture, by the width of its Python: what a kernel says may be another.

    A 64-bit kernel may carry a 32-bit userland, and tell 64-bit programs that it is a 32-bit one
    (setarch, for builds).
    """
    machine = str(facts["machine"])
    if machine in ("aarch64", "armv8l", "armv7l"):
        return "armv7l" if facts["bits"] == 32 else "aarch64"
    return machine


def _platforms(machine: str, libc: list[str]) -> tuple[str, ...]:
    """Wheel tags from the device's glibc down; empty for another C library."""
    name, version = libc
    try:
        major, minor = (int(part) for part in version.split(".")[:2])
    except ValueError:
        return ()
    if name != "glibc" or major != 2:
        return ()
    tags = [f"manylinux_2_{number}_{machine}" for number in range(minor, 16, -1)]
    return (*tags, f"manylinux2014_{machine}")


def _library(libc: list[str]) -> str:
    """The C library in words; Python knows none but glibc by name before 3.13."""
    return " ".join(libc) if libc[0] else "another C library than glibc"


def explain_missing(device: Device, facts: Mapping[str, Any]) -> str:
    """That a runtime is missing, and the exact commands for this device.

    Raises:
        BenchmarkError: none is published for it.
    """
    runtime = choose_runtime(facts)
    system = ["python3-venv"] + (["python3-numpy"] if runtime.system_numpy else [])
    flag = " --system-site-packages" if runtime.system_numpy else ""
    packages = " ".join(shlex.quote(package) for package in runtime.packages)
    there = (
        f"sudo apt-get install -y {' '.join(system)} && {shlex.quote(device.python)} -m venv{flag} "
        f"{VENV} && {VENV}/bin/pip install {packages}"
    )
    return (
        f"{device.name} ({describe(facts)}) has no usable TFLite runtime: {facts['error']}.\n"
        "Let hintlite put one into a folder of its own: the same command with --install. Or do it "
        "yourself:\n  "
        f"{shlex.join([*ssh_words(device, plain=True), there])}\nand add --python {VENV}/bin/python"
    )


def describe(facts: Mapping[str, Any]) -> str:
    """What the device is, in a line."""
    python = ".".join(str(part) for part in facts["python"])
    return (
        f"{facts['os'] or 'unknown system'}, {architecture(facts)}, Python {python}, numpy "
        f"{facts['numpy'] or 'none'}, {facts['runtime'] or 'no runtime'} {facts['version'] or ''}"
    ).rstrip()
