"""How each figure is made again: the files that it comes from and the command that makes them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from hintlite.pipeline.report.markup import join, paragraph, part, table, words
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.series import per_run
from hintlite.pipeline.runs.layout import SETTINGS, TARGETS

# figure, files below the run folder, command; {run} is the run folder as a shell word
EXPLAINED = "error of each INT8 operator, accuracy regained"
FIGURES = (
    (
        "parameters and training curve of the teacher",
        "teacher/*/summary.json, teacher/*/history.csv",
        "hintlite teacher {run}",
    ),
    (
        "parameters and training curves of the students",
        "distill/*/summary.json, distill/*/history.csv",
        "hintlite distill {run}",
    ),
    ("MACs and bytes", "quantize/*/*.tflite", "hintlite quantize {run}"),
    (
        "accuracy, confusion matrices, accuracy of each class, change from float to INT8",
        "evaluate/predictions.npz, evaluate/metrics.json",
        "hintlite evaluate {run}",
    ),
    ("verification of INT8", "quantize/*/verify.json", "hintlite quantize {run}"),
    (
        EXPLAINED,
        "explain/*/explain.json",
        "hintlite quantize {run} --explain",
    ),
    ("latency, memory, machine", "benchmark/*.json", "hintlite benchmark {run}"),
    ("hint maps", "distill/*/hint_maps.npz", "hintlite distill {run}"),
    ("commit, deployed student", "bundle/device/manifest.json", "hintlite bundle {run}"),
    ("this page", "all of these", "hintlite report {run}"),
)


Records = Mapping[str, Mapping[str, Any] | None]  # stage of a target: what its stage.json says


def reproduce(run: Path, targets: Records, explained: bool) -> list[dict[str, str]]:
    """One entry a figure: figure, files, command.

    Args:
        run: the run folder.
        targets: the stages of targets.
        explained: whether an explanation of INT8's error was begun; else the page shows none.
    """
    word = shlex.quote(str(run))
    *lines, page = (
        {"figure": figure, "files": files, "command": command.format(run=word)}
        for figure, files, command in FIGURES
        if explained or figure != EXPLAINED
    )
    return [*lines, *(_target(run, *target) for target in targets.items()), page]


_WORDS = {"tflm": "simulated operators and arena in TensorFlow Lite Micro"}
_VELA = ("system_config", "memory_mode")


def _target(run: Path, stage: str, record: Mapping[str, Any] | None) -> dict[str, str]:
    name = stage.removeprefix(f"{TARGETS}/")
    command = target_command(run, stage, record)
    if name == "android":
        return {"figure": "latency on a phone", "files": f"{stage}/*.json", "command": command}
    plain = "simulated instructions, code and memory"
    if name.startswith("ethos-u"):
        plain = "estimated cycles, time and memory"
    if "words" in _settings(record):
        plain = "latency, memory, accuracy"
    return {
        "figure": _WORDS.get(name, f"{plain} on {name}"),
        "files": f"{stage}/result.json, bundle/device/student_int8.tflite",
        "command": target_command(run, stage, record),
    }


def target_command(run: Path, stage: str, record: Mapping[str, Any] | None) -> str:
    """The command that makes a target's stage; that of a device names its own words for it."""
    settings = _settings(record)
    words = settings.get("words") or ["--target", stage.removeprefix(f"{TARGETS}/")]
    words = [*words, *_vela_options(run / stage, settings)]
    return shlex.join(["hintlite", "benchmark", str(run), *map(str, words)])


def _vela_options(stage: Path, settings: Mapping[str, Any]) -> list[str]:
    """The options that an Ethos-U's stage was made with; none for other targets."""
    names = [name for name in _VELA if settings.get(name)]
    words = [word for name in names for word in (f"--{name}", str(settings[name]))]
    kept = ["--vela_config", str(stage / "vela.ini")] if settings.get("vela_config_sha256") else []
    return [*words, *kept]


def _settings(record: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return record["settings"] if record else {}


def resume_command(run: Path, targets: Records) -> str:
    """The commands, a line each, that make whatever a run lacks.

    Args:
        run: the run folder.
        targets: the stages of targets that must be made again.
    """
    commands = [f"hintlite run {shlex.quote(str(run))}"]
    return "\n".join(commands + [target_command(run, *target) for target in targets.items()])


def repeat_command(run: Path, from_python: bool) -> str:
    """What makes the whole run anew in another folder.

    Args:
        run: the run folder.
        from_python: its samples came from a Python program, which alone has them.

    Returns:
        A command, or for samples from Python a few lines of it.
    """
    settings, again = run / SETTINGS, run.with_name(run.name + "-again")
    if from_python:
        return PYTHON.format(run=str(run), again=str(again))
    return f"hintlite run {shlex.quote(str(again))} --config {shlex.quote(str(settings))}"


PYTHON = """import hintlite

made = hintlite.load_run({run!r})
hintlite.run({again!r}, made.config, made.source)  # with the samples that it has kept"""

COLUMNS = words("figure", "files in the run folder", "command")
NOTE = (
    "A stage that is up to date is not repeated; a run in a new folder makes everything anew. "
    "With the setting deterministic, training gives the same bits on the same machine and "
    "libraries, otherwise nearly the same figures; latencies are never quite the same."
)


def render(reports: Sequence[Report]) -> Section | None:
    """Always there: a command for each figure, run by run."""
    return Section("reproduce", "How to reproduce", per_run(reports, _one) or Markup(""), NOTE)


def _one(place: int, report: Report) -> Markup:
    names = ("figure", "files", "command")
    rows = [[entry[name] for name in names] for entry in report.facts["reproduce"]]
    return join(
        paragraph("The whole run again, with the same settings, in a new folder:"),
        part("code", text=report.facts["repeat"]),
        table("Where each figure comes from", COLUMNS, rows, sortable=False),
    )
