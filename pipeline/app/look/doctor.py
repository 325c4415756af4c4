"""`hintlite doctor`: what is installed and usable, and the command that installs the rest."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

LEAST_MEMORY = 4 * 2**30
LEAST_DISK = 5 * 2**30
EXTRAS = {  # extra of setup.cfg -> what it is for; "dev" is for work on hintlite itself
    "qat": "fine-tuning with quantization in the loop",
    "ptq": "int16, 4-bit and mixed precision, other ranges",
    "mcu": "the targets tflm and ethos-u",
    "tune": "`hintlite tune`",
    "recordings": "recordings as Parquet files",
    "cluster": "studies on several machines",
    "tensorboard": "`--tensorboard`",
    "docs": "the site of the documents, and docs/tutorial.ipynb",
}


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        what: the thing looked at.
        state: "ok", "optional" (absent, only some jobs need it) or "problem".
        detail: version, or what is wrong.
        cure: the command or step that puts it right; empty if nothing is wrong.
    """

    what: str
    state: str
    detail: str
    cure: str = ""


def doctor(as_json: bool) -> int:
    """Prints the findings; returns 1 if one is a problem."""
    findings = [finding for look in LOOKS for finding in look()]
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        _print(findings)
    return 1 if any(finding.state == "problem" for finding in findings) else 0


def _print(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    colors = {"ok": "green", "optional": "yellow", "problem": "bold red"}
    table = Table(box=None, pad_edge=False)
    for column in ("what", "state", "detail", "to put it right"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        state = f"[{colors[finding.state]}]{finding.state}[/]"
        # Without escape, the brackets of 'hintlite[qat]' are markup and vanish.
        table.add_row(escape(finding.what), state, escape(finding.detail), escape(finding.cure))
    Console(highlight=False).print(table)


def _python() -> list[Finding]:
    version = platform.python_version()
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return [Finding("Python", "ok", version)]
    cure = "make a virtual environment with Python 3.11, 3.12 or 3.13"
    return [Finding("Python", "problem", f"{version}; 3.11 to 3.13 were tried", cure)]


def _packages() -> list[Finding]:
    return [package(each) for each in _required() if each.marker is None]


def _required() -> list[Requirement]:
    return [Requirement(line) for line in metadata.requires("hintlite") or []]


def package(requirement: Requirement) -> Finding:
    """Whether a required package is there in a version that was tried."""
    cure = f"{sys.executable} -m pip install '{requirement.name}{requirement.specifier}'"
    right, detail = _installed(requirement)
    return Finding(requirement.name, *(("ok", detail) if right else ("problem", detail, cure)))


def extra(name: str, requirements: list[Requirement]) -> Finding:
    """Whether the packages of one of EXTRAS are there in versions that were tried.

    Args:
        name: of the extra.
        requirements: the packages that it brings.
    """
    states = [(each.name, *_installed(each)) for each in requirements]
    listed = ", ".join(f"{package} {detail}" for package, _, detail in states)
    detail = f"{EXTRAS[name]}: {listed}"
    what = f"extra {name}"
    if all(right for _, right, _ in states):
        return Finding(what, "ok", detail)
    return Finding(what, "optional", detail, f"{sys.executable} -m pip install 'hintlite[{name}]'")


def _installed(requirement: Requirement) -> tuple[bool, str]:
    """Whether a version is there that was tried, and which, or what is wrong."""
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return False, "not installed"
    if version not in requirement.specifier:
        return False, f"{version}; {requirement.specifier} was tried"
    return True, version


def _shadows() -> list[Finding]:
    home = Path(__file__).resolve().parents[3]
    return [shadow("hintlite", home)]


def shadow(name: str, home: Path) -> Finding:
    """Whether the import package `name` is the one that lies in `home`."""
    what = f"import {name}"
    found = importlib.util.find_spec(name)
    origin = Path(found.origin).resolve() if found and found.origin else None
    if origin is not None and origin.is_relative_to(home):
        return Finding(what, "ok", "hintlite's own")
    cure = "start hintlite from another folder, or rename or uninstall that package"
    return Finding(what, "problem", f"{origin or 'nothing'} hides hintlite's own", cure)


def _data() -> list[Finding]:
    from hintlite.pipeline.data.sources.fashion_mnist import SYSTEM_FOLDER

    if SYSTEM_FOLDER.is_dir():
        return [Finding("Fashion-MNIST", "ok", str(SYSTEM_FOLDER))]
    cure = "apt-get install dataset-fashion-mnist, or let the first run download it"
    return [Finding("Fashion-MNIST", "optional", "not on this machine", cure)]


def _optional() -> list[Finding]:
    programs = [
        ("arm-none-eabi-gcc", "cortex-*", "gcc-arm-none-eabi libnewlib-arm-none-eabi"),
        ("qemu-system-arm", "cortex-*", "qemu-system-arm"),
        ("adb", "android", "adb"),
    ]
    found = [_program(*entry) for entry in programs]
    found.append(_program("ssh", "user@host", "openssh-client"))
    return found


def _extras() -> list[Finding]:
    return [
        extra(name, [r for r in _required() if r.marker and r.marker.evaluate({"extra": name})])
        for name in EXTRAS
    ]


def _program(name: str, target: str, packages: str) -> Finding:
    place = shutil.which(name)
    if place:
        return Finding(name, "ok", place)
    detail = f"not installed; `benchmark --target {target}` needs it"
    return Finding(name, "optional", detail, f"apt-get install {packages}")


def _machine() -> list[Finding]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    free = shutil.disk_usage(".").free
    return [
        Finding("cores", "ok", str(os.cpu_count())),
        _enough("memory", memory, LEAST_MEMORY, "smaller networks and batches"),
        _enough("free disk here", free, LEAST_DISK, "free some space, or run in another folder"),
        _writable(Path(".")),
    ]


def _enough(what: str, amount: int, least: int, cure: str) -> Finding:
    detail = f"{amount / 2**30:.1f} GiB"
    if amount >= least:
        return Finding(what, "ok", detail)
    return Finding(what, "problem", f"{detail}; {least / 2**30:.0f} GiB are advised", cure)


def _writable(folder: Path) -> Finding:
    if os.access(folder, os.W_OK):
        return Finding("this folder", "ok", "writable")
    return Finding("this folder", "problem", "not writable", "start hintlite elsewhere")


LOOKS: tuple[Callable[[], list[Finding]], ...] = (
    _python,
    _packages,
    _shadows,
    _data,
    _extras,
    _optional,
    _machine,
)
