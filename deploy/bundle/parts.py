"""A bundle's manifest put together of its parts, and the folder written."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from hintlite.deploy.bundle.manifest import (
    BENCH_SCRIPT,
    FORMAT,
    LABELS,
    MANIFEST,
    PREDICT_SCRIPT,
    SAMPLES,
    VALUES_SCRIPT,
    VERSION,
    BundleError,
    manifest_problems,
    read_manifest,
)
from hintlite.deploy.interpret.runtime import TensorSpec
from hintlite.deploy.tflite.graph import Array
from hintlite.deploy.tflite.inspect import inspect
from hintlite.files import replace_folder

_PREDICT_SOURCE = Path(__file__).with_name("device_predict.py")
_VALUES_SOURCE = Path(__file__).with_name("device_values.py")


@dataclass(frozen=True, eq=False)
class BundleParts:
    """What a bundle's manifest says of its models, and its samples.

    Attributes:
        task, normalization, entries: tables of the manifest; entries by file name.
        arrays: of the samples, by name.
        kernels: that computed the expected outputs.
    """

    task: Mapping[str, Any]
    normalization: Mapping[str, Any]
    entries: Mapping[str, Mapping[str, Any]]
    arrays: Mapping[str, Array]
    kernels: str


def write_parts(
    target: Path,
    models: Mapping[str, bytes],
    parts: BundleParts,
    bench_script: str | Path | bytes,
    provenance: Mapping[str, Any],
) -> Path:
    """Puts a bundle together and writes it; see `write_bundle`."""
    script = bench_script if isinstance(bench_script, bytes) else Path(bench_script).read_bytes()
    labels = parts.task["labels"]
    files = {
        **models,
        LABELS: "".join(f"{label}\n" for label in labels).encode(),
        SAMPLES: _npz(parts.arrays),
        BENCH_SCRIPT: script,
        PREDICT_SCRIPT: _PREDICT_SOURCE.read_bytes(),
        VALUES_SCRIPT: _VALUES_SOURCE.read_bytes(),
    }
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "task": dict(parts.task),
        "normalization": dict(parts.normalization),
        "models": dict(parts.entries),
        "samples": {
            "file": SAMPLES,
            "count": len(parts.arrays["inputs"]),
            "kernels": parts.kernels,
            "runtime": f"ai-edge-litert {metadata.version('ai-edge-litert')}",
        },
        "files": {name: _file_entry(content) for name, content in files.items()},
        "provenance": dict(provenance),
    }
    for problem in manifest_problems(manifest):
        raise BundleError(f"The contents make no sound bundle: {problem}")
    replace_folder(target, {**files, MANIFEST: _json(manifest)})
    return target


def checked_target(folder: str | Path) -> Path:
    """Where a bundle may be written: an empty place, or a bundle with nothing of the user's in it.

    Raises:
        BundleError: it holds something else.
    """
    target = Path(folder).resolve()
    if not target.exists():
        return target
    if not target.is_dir():
        raise BundleError(f"{target} is a file: give the name of a new folder.")
    present = {path.name for path in target.iterdir()}
    if not present:
        return target
    try:
        own = {MANIFEST, *read_manifest(target)["files"]}
    except BundleError as error:
        raise BundleError(
            f"{target} is not empty and holds no bundle: give the name of a new folder. ({error})"
        ) from error
    if present - own:
        raise BundleError(
            f"{target} holds files that are not the bundle's ({', '.join(sorted(present - own))}): "
            "move them away, or give the name of a new folder."
        )
    return target


def model_entry(content: bytes) -> dict[str, Any]:
    """What a manifest says of a model's file, beside its ends."""
    info = inspect(content)
    return {
        "precision": info.precision,
        "bytes": info.file_bytes,
        "parameters": info.parameters,
        "macs": info.macs,
        "operators": dict(info.operator_counts),
    }


def end_entry(spec: TensorSpec, threshold: float | None = None) -> dict[str, Any]:
    """What a manifest says of an input or output.

    Args:
        spec: of it.
        threshold: a real value of an output, which is told in the output's own numbers.
    """
    entry = {
        "dtype": spec.dtype,
        "shape": list(spec.shape),
        "scale": spec.scale,
        "zero_point": spec.zero_point,
    }
    return entry if threshold is None else {**entry, "threshold": _stored(threshold, spec)}


def _stored(value: float, spec: TensorSpec) -> float:
    """A real value in a tensor's own numbers, between two of them perhaps."""
    if spec.scale is None or spec.zero_point is None:
        return value
    return value / spec.scale + spec.zero_point


def _file_entry(content: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _npz(arrays: Mapping[str, Array]) -> bytes:
    """An uncompressed archive; NumPy dates its members 1980-01-01: equal arrays, equal bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _json(manifest: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BundleError(f"The provenance holds what JSON cannot: {error}.") from error
    return f"{text}\n".encode()
