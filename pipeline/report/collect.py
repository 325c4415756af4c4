"""From a run folder to the content of report.json: true figures from its files, null if unknown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hintlite.pipeline.report.subjects.confusion import matrices, scores
from hintlite.pipeline.report.subjects.devices import devices
from hintlite.pipeline.report.subjects.doubts import doubts
from hintlite.pipeline.report.subjects.explanation import explanations
from hintlite.pipeline.report.subjects.hint_maps import hint_errors
from hintlite.pipeline.report.subjects.latency import latencies, machines
from hintlite.pipeline.report.subjects.machine import libraries, provenance, seeds
from hintlite.pipeline.report.subjects.microcontrollers import on_targets
from hintlite.pipeline.report.subjects.phones import phones
from hintlite.pipeline.report.subjects.quantization import against_teacher, changes
from hintlite.pipeline.report.subjects.reproduce import (
    repeat_command,
    reproduce,
    resume_command,
)
from hintlite.pipeline.report.subjects.table import rows
from hintlite.pipeline.report.subjects.training import histories, teacher_validation
from hintlite.pipeline.runs.evaluations import evaluations
from hintlite.pipeline.runs.reading import RunFiles
from hintlite.pipeline.settings.data import FROM_PYTHON

SCHEMA = "hintlite-report/1"


def collect(run: Path) -> dict[str, Any]:
    """Everything that the page says of one run.

    Args:
        run: the run folder; a stage that is not complete, or no longer fits the others, is left
            out and named under "unfinished".

    Returns:
        Plain data for JSON. Shares lie in 0..1, latencies are microseconds, null is unknown.

    Raises:
        UnreadableError: it is no run folder.
    """
    files = RunFiles(run)
    tested = files.arrays("evaluate", "predictions.npz")
    explained = explanations(files)
    scored = scores(tested)
    facts: dict[str, Any] = {
        "schema": SCHEMA,
        "run": run.resolve().name,
        "chosen": files.chosen,
        "data": _data(files, tested),
        "rows": [asdict(row) for row in rows(files, scored)],
        "training": histories(files),
        "teacher_validation": teacher_validation(files),
        "scores": scored,
        "confusion": matrices(files, tested),
        "quantization": changes(files, tested),
        "against_teacher": against_teacher(files, tested),
        "explanations": explained,
        "latency": latencies(files),
        "devices": devices(files),
        **on_targets(files),
        "phones": phones(files),
        "hints": hint_errors(files),
        "machines": machines(files),
        "settings": files.settings,
        "seeds": seeds(files),
        "libraries": libraries(files),
        "provenance": provenance(files),
        "reproduce": reproduce(
            run, {name: files.record(name) for name in files.targets}, bool(explained)
        ),
        "repeat": repeat_command(run, _source(files.settings) == FROM_PYTHON),
    }
    facts["test_evaluations"] = _evaluations(files, facts["data"])
    facts["doubts"] = doubts(facts)
    facts["unfinished"] = _unfinished(files)
    facts["resume"] = resume_command(
        run, {name: files.record(name) for name in _unfinished_targets(files)}
    )
    finite: dict[str, Any] = _finite(facts)
    return finite


def _data(files: RunFiles, tested: Mapping[str, np.ndarray]) -> dict[str, Any] | None:
    """What data.json says, and the size and hash of the test part."""
    facts: dict[str, Any] | None = files.json("data", "data.json")
    if facts is None:
        return None
    record = files.record("evaluate") if files.complete("evaluate") else None
    return facts | {
        "name": facts.get("name") or facts["source"],
        "test": len(tested["labels"]) if "labels" in tested else None,
        "test_copies": int(tested["copied"].sum()) if "copied" in tested else None,
        "test_sha256": record["settings"].get("test") if record else None,
    }


def _source(settings: Mapping[str, Any]) -> Any:
    return (settings.get("data") or {}).get("source")


def _evaluations(files: RunFiles, data: Mapping[str, Any] | None) -> int | None:
    test = (data or {}).get("test_sha256")
    return None if test is None else evaluations(files.path, test)


def _unfinished(files: RunFiles) -> list[dict[str, str | None]]:
    """Stages whose figures are not in the report, and files that were changed; after reading."""
    stages = [
        {"name": state.name, "state": state.state, "reason": state.reason}
        for state in files.states
        if state.state != "complete"
    ]
    changed = "it is gone, or not as its stage wrote it"
    return stages + [
        {"name": name, "state": "changed", "reason": changed} for name in sorted(files.changed)
    ]


def _unfinished_targets(files: RunFiles) -> list[str]:
    """Stages of targets that `hintlite run` does not make anew."""
    changed = {name.rpartition("/")[0] for name in files.changed}
    return [name for name in files.targets if not files.complete(name) or name in changed]


def _finite(value: Any) -> Any:
    """The same with null for NaN and infinity, which JSON does not know."""
    if isinstance(value, dict):
        return {str(name): _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
