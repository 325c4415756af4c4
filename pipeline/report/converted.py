"""What the folder of `hintlite convert` or `hintlite qat` says, in one form for both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hintlite.benchmarks.results import Outcome, ResultError, of_result
from hintlite.benchmarks.targets.base import BenchmarkResult
from hintlite.deploy.bundle.bundle import check_bundle
from hintlite.deploy.bundle.deployed import INSIDE, RUN
from hintlite.deploy.bundle.manifest import inputs_of, read_manifest
from hintlite.deploy.tflite.inspect import inspect
from hintlite.pipeline.runs.layout import FLOAT, INT8, INT8_PTQ, RESULT, TARGETS
from hintlite.pipeline.runs.reading import UnreadableError

SCHEMA = "hintlite-conversion/1"
RECORDS = {"convert": "convert.json", "qat": "qat.json"}  # in the folder MODEL, by the command
MODEL, EXPLAIN = "model", "explain"
HOST = "host"


def record_of(folder: Path) -> tuple[str, Path] | None:
    """The command that wrote a folder, and its record there; None for any other folder."""
    found = [(made, folder / MODEL / name) for made, name in RECORDS.items()]
    there = [pair for pair in found if pair[1].is_file()]
    return there[0] if there and not (folder / RUN).is_file() else None


def collect_converted(folder: Path) -> dict[str, Any]:
    """Everything that a page says of one folder.

    Args:
        folder: of a conversion or a fine-tuning.

    Returns:
        Plain data for JSON: shares lie in 0..1, null is unknown.

    Raises:
        UnreadableError: it is another folder, or was damaged.
    """
    found = record_of(folder)
    if found is None:
        raise UnreadableError(f"{folder} holds no result of `hintlite convert` or `hintlite qat`")
    made, place = found
    try:
        record = json.loads(place.read_text())
        facts = _of_record(made, record)
        content = (folder / MODEL / facts["files"][-1]["file"]).read_bytes()
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise UnreadableError(f"{place} cannot be read ({error!r}): convert again") from error
    problems = check_bundle(folder / INSIDE)
    if problems:
        raise UnreadableError(f"{folder / INSIDE}: {problems[0]} Convert again.")
    manifest = read_manifest(folder / INSIDE)
    info = inspect(content)
    return {
        "schema": SCHEMA,
        "folder": folder.resolve().name,
        "made_by": made,
        "model": record["model"],
        **facts,
        "sha256": hashlib.sha256(content).hexdigest(),
        "parameters": info.parameters,
        "macs": info.macs,
        "arena_bytes": info.arena.greedy_bytes if info.arena else None,
        "labels": manifest["task"]["labels"],
        "feeding": _feeding(manifest, record),
        "provenance": manifest["provenance"],
        "targets": _results(folder),
        "explanation": _explanation(folder),
    }


def _of_record(made: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of both commands' records by the same names."""
    if made == "qat":
        figures, accuracy = record["figures"], record["qat"]["validation_accuracy"]
        return {
            "files": [
                # The last is the one that is deployed; without a training it is calibrated alone.
                _file(record, name, accuracy.get(name, accuracy.get(INT8_PTQ)), None)
                for name in sorted(record["files"], key=lambda name: name == INT8)
            ],
            "model_accuracy": figures["keras_accuracy"],
            "model_error": None,
            "samples": record["samples"],
            "agreement": figures["agreement"],
            "agreement_interval": figures["agreement_interval"],
            "outputs": [
                {
                    "name": "logits",
                    "max_error": figures["max_int8_error"],
                    "max_error_steps": figures["max_int8_error_steps"],
                    "error": None,
                }
            ],
            "tensorflow_lite_micro": None,
        }
    verdict = record["verdict"]
    accuracy, error = verdict["accuracy"] or {}, verdict["mean_absolute_error"] or {}
    # A conversion to float32 has one file under both names.
    keys = {name: "float" if name == FLOAT else "file" for name in record["files"]}
    return {
        "files": [
            _file(record, name, accuracy.get(key), error.get(key)) for name, key in keys.items()
        ],
        "model_accuracy": accuracy.get("model"),
        "model_error": error.get("model"),
        "samples": verdict["samples"],
        "agreement": verdict["agreement"],
        "agreement_interval": verdict["agreement_interval"],
        "outputs": verdict["outputs"],
        "tensorflow_lite_micro": record["tensorflow_lite_micro"],
    }


def _file(
    record: Mapping[str, Any], precision: str, accuracy: float | None, error: float | None
) -> dict[str, Any]:
    return {
        "precision": precision,
        "file": record["files"][precision],
        "bytes": record["bytes"][precision],
        "accuracy": accuracy,
        "mean_absolute_error": error,
    }


def _feeding(manifest: Mapping[str, Any], record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """From a raw value to what each input stands for, and by how much its mean was moved."""
    moved = {each["input"]: each["moved_by"] for each in record.get("feeding", [])}
    only = next(iter(moved.values())) if len(moved) == 1 else 0.0
    return [
        {
            "input": each["name"],
            "shape": each["shape"],
            **each["normalization"],
            "moved_by": moved.get(each["name"], only),
        }
        for each in inputs_of(manifest)
    ]


def _results(folder: Path) -> dict[str, Any]:
    """What targets answered of the file, by their names."""
    found = {}
    for place in sorted((folder / TARGETS).glob(f"*/{RESULT}")):
        try:
            found[place.parent.name] = BenchmarkResult.from_dict(json.loads(place.read_text()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UnreadableError(f"{place} cannot be read ({error!r}): measure again") from error
    return {name: result.to_dict() for name, result in found.items()}


def _explanation(folder: Path) -> dict[str, Any] | None:
    """What `quantize FOLDER --explain` found, where it was run."""
    for place in sorted((folder / EXPLAIN).glob("*.explain.json")):
        content: dict[str, Any] = json.loads(place.read_text())
        return content
    return None


def converted_outcome(folder: Path) -> Outcome:
    """A conversion as a result to be compared: the file's own figures, and those of this host.

    Raises:
        ResultError: it cannot be read.
    """
    try:
        facts = collect_converted(folder)
    except UnreadableError as error:
        raise ResultError(str(error)) from error
    file = facts["files"][-1]
    host = facts["targets"].get(HOST)
    measured = None
    if host is not None and host["model_sha256"] == facts["sha256"]:
        measured = of_result(str(folder), BenchmarkResult.from_dict(host))
    labels = "\n".join(facts["labels"])
    figures = {
        "model_bytes": file["bytes"],
        "arena_bytes": facts["arena_bytes"],
        "accuracy": file["accuracy"],
        "agreement with the model": facts["agreement"],
        "mean absolute error": file["mean_absolute_error"],
    }
    figures |= {f"error of {each['name']}": each["error"] for each in facts["outputs"]}
    known = {name: value for name, value in figures.items() if value is not None}
    return replace(
        measured or Outcome(str(folder), form="", verdict="valid"),
        form="conversion",
        task={
            "labels": hashlib.sha256(labels.encode()).hexdigest(),
            "input_shape": facts["feeding"][0]["shape"],
            "samples": facts["provenance"].get("data_sha256"),
        },
        model={"file": file["file"], "sha256": facts["sha256"], "precision": file["precision"]},
        software=facts["provenance"].get("versions", {}),
        figures=(dict(measured.figures) if measured else {}) | known,
    )
