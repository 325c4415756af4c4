"""From the folder of a complete run to its record."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.pipeline.app.experiments.queue.progress import Progress
from hintlite.pipeline.app.experiments.studies.records import SCHEMA, record_id
from hintlite.pipeline.app.run.context import Context, commit
from hintlite.pipeline.app.run.folder import versions
from hintlite.pipeline.app.run.stages import evaluate
from hintlite.pipeline.app.run.stages.quantize import SCORES, precisions, quantized
from hintlite.pipeline.app.run.validation import worth
from hintlite.pipeline.runs.layout import FLOAT, INT8, TEACHER, file_name

if TYPE_CHECKING:
    import keras

LIBRARIES = ("keras", "tensorflow", "numpy", "ai-edge-litert")


def record(
    context: Context,
    kind: str,
    identity: dict[str, Any],
    progress: Progress,
    measured: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """What is kept of a complete run.

    Args:
        context: the run, whose one model is the student or the teacher.
        kind: "student" or "teacher".
        identity: everything that decides the outcome.
        progress: what it took.
        measured: accuracies and sizes, where they are not those of the run's stages.
        more: further fields.
    """
    (model,) = context.models
    content = {
        "schema": SCHEMA,
        "id": "",
        "kind": kind,
        "identity": identity,
        **more,
        "parameters": _parameters(context, model),
        **(measured or _accuracy(context, model) | _size(context, model)),
        "history": {stage: _history(context, stage) for stage in _trainings(context, model)},
        "wall_s": {stage: round(seconds, 2) for stage, seconds in progress.wall_s.items()},
        "cpu_s": {stage: round(seconds, 2) for stage, seconds in progress.cpu_s.items()},
        "tries": progress.tries,
        "machine": machine(),
        "versions": {"hintlite": metadata.version("hintlite"), **versions(LIBRARIES)},
        "commit": commit(),
        "finished_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": _settings(context),
    }
    return content | {"id": record_id(kind, identity, content)}


def _settings(context: Context) -> dict[str, Any]:
    """The run's; without the cache's place on this machine, which means nothing on another."""
    settings = asdict(context.config)
    settings["cache"]["folder"] = None
    return settings


def weights_sha256(context: Context) -> str:
    """Hash of the teacher's weights; its file also carries its date."""
    digest = hashlib.sha256()
    network: keras.Model = context.teacher()
    for weight in network.get_weights():
        digest.update(f"{weight.dtype} {weight.shape}".encode())
        digest.update(weight.tobytes())
    return digest.hexdigest()


def machine() -> dict[str, Any]:
    """The machine that this process runs on."""
    from hintlite.benchmarks.machine import processor

    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": int(os.environ.get("TF_NUM_INTRAOP_THREADS", "0")) or os.cpu_count(),
        "system": platform.system(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
    }


def _accuracy(context: Context, model: str) -> dict[str, Any]:
    """On validation data, and on test data; None of a teacher's file that could not be made."""
    verified = _json(context.file(f"quantize/{model}", "verify.json"))
    figures = verified["figures"] or {}
    tested = _json(context.file(evaluate.NAME, "metrics.json"))
    # A study's columns are two: float, and the file that is deployed, of whatever precision; what
    # was made for comparison keeps its name.
    deployed = quantized(context, model)
    names = {name: name for name in precisions(context, model) if name != deployed}
    names |= {FLOAT: FLOAT, INT8: deployed}
    return {
        "validation": {
            FLOAT: figures.get("float_accuracy"),
            INT8: figures.get("int8_accuracy"),
            "agreement": _agreement(verified) if figures else None,
            **_worth(context, model),
        },
        "test": {column: tested.get(f"{model}:{name}") for column, name in names.items()},
        "test_sha256": context.folder.record(evaluate.NAME)["settings"]["test"],
        "fingerprint": context.kept.fingerprint,
    }


def _worth(context: Context, model: str) -> dict[str, Any]:
    """What the deployed file is chosen by on validation data, where that is not its accuracy."""
    by = context.config.training.chosen_by
    if model == TEACHER or by == "accuracy":
        return {}
    scores = _json(context.file(f"quantize/{model}", SCORES))
    return {"chosen_by": by, "worth": worth(scores, by)}


def _agreement(verified: dict[str, Any]) -> float:
    """With the same weights in float: fine-tuned ones where the file was fine-tuned."""
    own = verified.get("qat", {}).get("against_its_own_weights")
    return float((own or verified["figures"])["agreement"])


def _parameters(context: Context, model: str) -> int:
    summaries = [_json(context.file(stage, "summary.json")) for stage in _trainings(context, model)]
    return sum(summary["parameters"] for summary in summaries)


def _size(context: Context, model: str) -> dict[str, Any]:
    from hintlite.deploy.tflite.inspect import inspect

    place = f"quantize/{model}"
    names = {FLOAT: FLOAT, INT8: quantized(context, model)}
    files = {column: context.file(place, file_name(model, name)) for column, name in names.items()}
    there = [path for path in files.values() if path.exists()]
    sizes = {c: path.stat().st_size if path in there else None for c, path in files.items()}
    return {"macs": inspect(there[-1]).macs if there else None, "bytes": sizes}


def _trainings(context: Context, model: str) -> tuple[str, ...]:
    """The stages that trained the model."""
    return context.teachers if model == TEACHER else (f"distill/{model}",)


def _history(context: Context, stage: str) -> dict[str, Any]:
    """Phase -> its epochs, its best and its last; empty for a teacher that was not trained."""
    path = context.file(stage, "history.csv")
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    phases = dict.fromkeys(line["phase"] for line in lines)
    config = (
        context.config.teacher_training if stage in context.teachers else context.config.training
    )
    return {
        phase: _phase([row for row in lines if row["phase"] == phase], config.chosen_by)
        for phase in phases
    }


def _phase(lines: list[dict[str, str]], chosen_by: str) -> dict[str, Any]:
    from hintlite.pipeline.training.train import ranked

    rows = [_figures(line) for line in lines]
    best = min(rows, key=lambda row: ranked(row, chosen_by))
    return {"epochs": len(rows), "best": best, "last": rows[-1]}


def _figures(line: dict[str, str]) -> dict[str, float]:
    kept = (
        *("epoch", "loss", "val_loss", "accuracy", "val_accuracy"),
        *("val_ce", "val_balanced_accuracy", "val_macro_f1"),
    )
    return {name: float(line[name]) for name in kept if line.get(name)}


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content
