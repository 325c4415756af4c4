"""From a run folder to the content of report.json: true figures from its files, null if unknown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hintlite.pipeline.report.facts import (
    devices,
    explanations,
    hints,
    histories,
    latency,
    microcontrollers,
    npus,
    origin,
    phones,
    predictions,
    table,
)
from hintlite.pipeline.report.facts.choice import chosen_arm
from hintlite.pipeline.report.facts.reproduce import repeat_command, reproduce, resume_command
from hintlite.pipeline.runs.reading import RunFiles

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
    matrices = predictions.confusion(files, tested)
    explained = explanations.explanations(files)
    facts = {
        "schema": SCHEMA,
        "run": run.resolve().name,
        "chosen": chosen_arm(files),
        "data": _data(files, tested),
        "rows": table.rows(files),
        "training": histories.histories(files),
        "confusion": matrices,
        "per_class": predictions.per_class(matrices),
        "quantization": predictions.quantization(files, tested),
        "explanations": explained,
        "latency": latency.latencies(files),
        "devices": devices.devices(files),
        "microcontrollers": microcontrollers.microcontrollers(files),
        "phones": phones.phones(files),
        "tflm": microcontrollers.tflm(files),
        "npus": npus.npus(files),
        "hints": hints.hint_errors(files),
        "machines": latency.machines(files),
        "settings": files.settings,
        "seeds": origin.seeds(files),
        "libraries": origin.libraries(files),
        "provenance": origin.provenance(files),
        "reproduce": reproduce(
            run, {name: files.record(name) for name in files.targets}, bool(explained)
        ),
        "repeat": repeat_command(run),
    }
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
        "test": len(tested["labels"]) if "labels" in tested else None,
        "test_sha256": record["settings"].get("test") if record else None,
    }


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
