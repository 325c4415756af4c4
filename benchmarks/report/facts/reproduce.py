"""For each figure: the files that it comes from and the command that makes them."""

from __future__ import annotations

import shlex
from pathlib import Path

# figure, files below the run folder, command; {run} is the run folder as a shell word
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
    ("latency, memory, machine", "benchmark/*.json", "hintlite benchmark {run}"),
    ("hint maps", "distill/*/hint_maps.npz", "hintlite distill {run}"),
    ("commit, deployed student", "bundle/device/manifest.json", "hintlite bundle {run}"),
    ("this page", "all of these", "hintlite report {run}"),
)


def reproduce(run: Path) -> list[dict[str, str]]:
    """One entry a figure: figure, files, command."""
    word = shlex.quote(str(run))
    return [
        {"figure": figure, "files": files, "command": command.format(run=word)}
        for figure, files, command in FIGURES
    ]


def resume_command(run: Path) -> str:
    """The command that makes whatever a run lacks."""
    return f"hintlite run {shlex.quote(str(run))}"


def repeat_command(run: Path) -> str:
    """The command that makes the whole run anew in another folder."""
    settings, again = run / "settings.yaml", run.with_name(run.name + "-again")
    return f"hintlite run {shlex.quote(str(again))} --config {shlex.quote(str(settings))}"
