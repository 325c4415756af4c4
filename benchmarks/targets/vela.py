"""Vela, the compiler for Ethos-U: run in a process of its own, its figures read from its CSVs.

Vela is the package `ethos-u-vela`. Its cycles and times are estimates of a model of the NPU, its
memories and its bus: it runs nothing.
"""

from __future__ import annotations

import configparser
import csv
import difflib
import importlib.util
import io
import itertools
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from hintlite.errors import WRONG_USE, HintliteError

PACKAGE = "ethos-u-vela"
ACCELERATORS = (
    *("ethos-u55-32", "ethos-u55-64", "ethos-u55-128", "ethos-u55-256"),
    *("ethos-u65-256", "ethos-u65-512"),
    *("ethos-u85-128", "ethos-u85-256", "ethos-u85-512", "ethos-u85-1024", "ethos-u85-2048"),
)
SYSTEM_CONFIG, MEMORY_MODE = "System_Config.", "Memory_Mode."  # sections of Vela's .ini files
NAME = "model"  # the file's name in Vela's folder, whatever it is called outside


class VelaError(HintliteError):
    """Vela is missing, refused the model or its options, crashed, or took too long."""


class VelaOptionError(VelaError):
    """A configuration, an accelerator or a mode that is not there."""

    exit_code = WRONG_USE


@dataclass(frozen=True)
class Options:
    """What to compile for.

    Args:
        accelerator: one of ACCELERATORS.
        system_config: clock and memories, a [System_Config.*] of the .ini file; Vela's default for
            the accelerator if None.
        memory_mode: what lies in which memory, a [Memory_Mode.*] of it; Vela's default if None.
        config: an .ini file of the user's own; Vela's own Arm/vela.ini if None.
    """

    accelerator: str
    system_config: str | None = None
    memory_mode: str | None = None
    config: Path | None = None


@dataclass(frozen=True)
class Compiled:
    """What Vela answered.

    Args:
        model: the bytes of the compiled .tflite.
        summary: its summary CSV, one row: names as Vela gives them.
        layers: its per-layer CSV, a row an operator of the NPU's graph.
        cpu_operators: operators left to the CPU, with the reason where Vela gives one.
        version: of Vela.
    """

    model: bytes
    summary: Mapping[str, str]
    layers: tuple[Mapping[str, str], ...]
    cpu_operators: tuple[Mapping[str, str], ...]
    version: str


def installed_version() -> str:
    """Vela's version.

    Raises:
        VelaError: it is not installed; the text has the command.
    """
    if importlib.util.find_spec("ethosu") is None:
        raise VelaError(
            f"Ethos-U targets need {PACKAGE}: {sys.executable} -m pip install '{PACKAGE}>=5.2,<5.3'"
        )
    return metadata.version(PACKAGE)


def sections(config: Path | None, kind: str) -> tuple[str, ...]:
    """Names of the system configs or memory modes of an .ini file.

    Args:
        config: the file; Vela's own if None.
        kind: SYSTEM_CONFIG or MEMORY_MODE.

    Raises:
        VelaOptionError: the file cannot be read.
    """
    parser = configparser.ConfigParser()
    path = config or _own_config()
    try:
        parser.read_string(path.read_text())
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        reason = str(error).splitlines()[0]
        raise VelaOptionError(f"the Vela configuration {path} cannot be read: {reason}") from error
    return tuple(name.removeprefix(kind) for name in parser.sections() if name.startswith(kind))


def check_options(options: Options) -> None:
    """Refuses names that the configuration file does not have, with near ones.

    Raises:
        VelaOptionError: an unknown accelerator, system config or memory mode, or a file of which
            nothing is chosen.
    """
    if options.config is not None and options.system_config is None:
        names = ", ".join(sections(options.config, SYSTEM_CONFIG)) or "none"
        raise VelaOptionError(
            f"{options.config} does nothing without --system_config, one of those in it: {names}"
        )
    _check("accelerator", options.accelerator, ACCELERATORS)
    for what, kind in (("system_config", SYSTEM_CONFIG), ("memory_mode", MEMORY_MODE)):
        given = getattr(options, what)
        if given is not None:
            _check(what, given, sections(options.config, kind))


def compile_model(model: bytes, options: Options, timeout_s: float) -> Compiled:
    """Compiles a model.

    The file that Vela reads is always called the same, so that equal models give equal bytes.

    Args:
        model: a full-INT8 .tflite, checked by the caller: Vela crashes on damaged files.
        options: what to compile for.
        timeout_s: seconds after which Vela is ended.

    Raises:
        VelaError: it is missing, refused, crashed, or took too long.
    """
    version = installed_version()
    check_options(options)
    with tempfile.TemporaryDirectory(prefix="hintlite-vela-") as folder:
        place = Path(folder)
        (place / f"{NAME}.tflite").write_bytes(model)
        said = _run(_command(options), place, timeout_s)
        layers = tuple(_rows(_only(place, "*_per-layer.csv")))
        return Compiled(
            model=_only(place, "*_vela.tflite").read_bytes(),
            summary=_rows(_only(place, "*_summary_*.csv"))[0],
            layers=layers,
            cpu_operators=tuple(_cpu_operators(layers, said)),
            version=version,
        )


def layers_csv(compiled: Compiled) -> str:
    """Vela's own per-layer table, as it wrote it."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(compiled.layers[0]) if compiled.layers else [])
    writer.writeheader()
    writer.writerows(compiled.layers)
    return text.getvalue()


def _own_config() -> Path:
    installed_version()
    spec = importlib.util.find_spec("ethosu")
    assert spec is not None
    return Path(next(iter(spec.submodule_search_locations or ()))) / "config_files/Arm/vela.ini"


def _check(what: str, given: str, known: Iterable[str]) -> None:
    names = list(known)
    if given not in names:
        near = difflib.get_close_matches(given, names, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise VelaOptionError(f"no {what} {given!r}: there are {', '.join(names)}{hint}")


def _command(options: Options) -> list[str]:
    words = [sys.executable, "-P", "-c", "from ethosu.vela.vela import main; main()"]
    words += [f"{NAME}.tflite", "--output-dir", ".", "--accelerator-config", options.accelerator]
    words += ["--show-cpu-operations", "--verbose-performance"]
    for flag, value in (
        ("--config", options.config and str(options.config.resolve())),
        ("--system-config", options.system_config),
        ("--memory-mode", options.memory_mode),
    ):
        words += [flag, value] if value else []
    return words


def _run(command: list[str], place: Path, timeout_s: float) -> str:
    """What Vela printed; the process ends with the time."""
    try:
        done = subprocess.run(
            command,
            cwd=place,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise VelaError(
            f"Vela took longer than {timeout_s:g} s and was ended: give it a smaller model"
        ) from error
    if done.returncode:
        raise VelaError(_failure(done.returncode, done.stdout))
    return done.stdout


def _failure(code: int, said: str) -> str:
    """One sentence from Vela's output: its last line tells what was wrong."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1] if lines else "it said nothing"
    if code < 0:
        name = signal.Signals(-code).name
        return f"Vela crashed ({name}) on this model, after: {last}"
    text = last.partition("errors.")[2] or last
    text = text.partition(": ")[2] or text
    return f"Vela refused: {text.strip(chr(39) + chr(34)).removeprefix('Error: ')}"


def _only(place: Path, pattern: str) -> Path:
    found = sorted(place.glob(pattern))
    if len(found) != 1:
        raise VelaError(
            f"Vela ended without error but wrote {len(found)} files {pattern}: this version of "
            f"{PACKAGE} is not the one that hintlite knows"
        )
    return found[0]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _cpu_operators(layers: Iterable[Mapping[str, str]], said: str) -> Iterable[dict[str, str]]:
    """The rows of the CPU, each with the operator's name and the reason that Vela has printed."""
    reasons = _reasons(said)
    for row in layers:
        if row["Target"] == "CPU":
            known = {"operator": row["Original Operator"], "reason": ""}
            yield {"name": row["Name"], **reasons.get(row["Name"], known)}


def _reasons(said: str) -> dict[str, dict[str, str]]:
    """Output tensor -> the TFLite operator and why it is not for the NPU."""
    found = {}
    lines = said.splitlines()
    for line, following in itertools.pairwise(lines):
        if line.startswith("Warning (supported operators)") and "ofm: '" in line:
            operator = line.partition("operator: ")[2].partition(",")[0]
            name = line.partition("ofm: '")[2].rstrip("'")
            reason = following.strip().removeprefix("Reason: ")
            found[name] = {"operator": operator, "reason": reason}
    return found
