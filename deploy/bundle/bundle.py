"""The flat folder that goes to a device: models, labels, samples with expected outputs, manifest.

The same contents give the same bytes: the manifest holds no date and no path.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.bundle.contents import check_ends, check_names, check_samples
from hintlite.deploy.bundle.manifest import (
    BENCH_SCRIPT,
    FORMAT,
    LABELS,
    MANIFEST,
    PREDICT_SCRIPT,
    SAMPLES,
    VERSION,
    BundleError,
    manifest_problems,
    normalization_entry,
    read_manifest,
)
from hintlite.deploy.interpret.runtime import Runner, TensorSpec
from hintlite.deploy.tflite.graph import Array
from hintlite.deploy.tflite.inspect import inspect
from hintlite.deploy.tflite.quantization import normalize
from hintlite.files import replace_folder

_PREDICT_SOURCE = Path(__file__).with_name("device_predict.py")

__all__ = ["BundleError", "check_bundle", "read_manifest", "write_bundle"]


def write_bundle(  # noqa: PLR0913 - keyword arguments, one for each part of a bundle
    folder: str | Path,
    *,
    models: Mapping[str, bytes],
    labels: Sequence[str],
    input_shape: tuple[int, ...],
    normalization: Mapping[str, Any],
    samples_raw: Array,
    sample_labels: NDArray[Any],
    bench_script: str | Path | bytes,
    provenance: Mapping[str, Any],
    kernels: str = "reference",
    threshold: float | None = None,
) -> Path:
    """Write a bundle, whole or not at all; a bundle that is already there is replaced.

    Args:
        folder: to write; new, empty, or an older bundle without files of other origin.
        models: file name -> bytes of a `.tflite` file, [1, h, w, c] -> [1, classes].
        labels: the classes' names, in the order of the outputs.
        input_shape: (h, w, c), (time, c) or (c,).
        normalization: "mean" and "std" (c numbers each, raw units) and "raw_dtype" ("uint8" or
            "float32"); the model's input is (raw - mean) / std. "raw_max", where it is known, is
            the raw value of full brightness, so that pictures can be brought to raw values.
        samples_raw: [k, h, w, c] in the raw type, k >= 1.
        sample_labels: [k] class indices.
        bench_script: the bytes or the path of `bench_tflite.py`.
        provenance: anything JSON can hold: versions, seed, hashes.
        kernels: that compute the expected outputs, see `Runner`.
        threshold: of models with one output: above this real value it means the second of two
            labels.

    Returns:
        The folder.

    Raises:
        BundleError: names, shapes, types or numbers that do not fit together, or a folder that
            holds something else.
        ModelError: a model that is damaged or that the kernels cannot run.
    """
    target = Path(folder).resolve()
    _check_target(target)
    check_names(models, labels)
    check_samples(samples_raw, sample_labels, input_shape, len(labels), normalization)
    script = bench_script if isinstance(bench_script, bytes) else Path(bench_script).read_bytes()
    inputs = normalize(samples_raw, normalization["mean"], normalization["std"])
    entries, expected = {}, {}
    for name in sorted(models):
        runner = Runner(models[name], kernels)
        check_ends(name, runner, input_shape, len(labels) if threshold is None else 1)
        entries[name] = _model_entry(models[name], runner)
        if threshold is not None:
            entries[name]["output"]["threshold"] = _stored(threshold, runner.output)
        expected[f"expected:{name}"] = runner.predict_raw(runner.input.to_stored(inputs))
    files = {
        **models,
        LABELS: "".join(f"{label}\n" for label in labels).encode(),
        SAMPLES: _npz(samples_raw, sample_labels, expected),
        BENCH_SCRIPT: script,
        PREDICT_SCRIPT: _PREDICT_SOURCE.read_bytes(),
    }
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "task": {
            "labels": list(labels),
            "input_shape": list(input_shape),
            **({} if threshold is None else {"threshold": threshold}),
        },
        "normalization": normalization_entry(normalization),
        "models": entries,
        "samples": {
            "file": SAMPLES,
            "count": len(samples_raw),
            "kernels": kernels,
            "runtime": f"ai-edge-litert {metadata.version('ai-edge-litert')}",
        },
        "files": {name: _file_entry(content) for name, content in files.items()},
        "provenance": dict(provenance),
    }
    for problem in manifest_problems(manifest):
        raise BundleError(f"The contents make no sound bundle: {problem}")
    replace_folder(target, {**files, MANIFEST: _json(manifest)})
    return target


def check_bundle(folder: str | Path) -> list[str]:
    """Compare a bundle with its manifest.

    Args:
        folder: the bundle.

    Returns:
        One sentence for each file that is missing, changed, a link or not the bundle's, and for a
        manifest that cannot be read; empty for a sound bundle.
    """
    root = Path(folder)
    if not root.is_dir():
        return [f"{root} is not a folder."]
    try:
        manifest = read_manifest(root)
    except BundleError as error:
        return [str(error)]
    problems = []
    for name, entry in manifest["files"].items():
        problems += _file_problems(root / name, entry)
    extra = {path.name for path in root.iterdir()} - {MANIFEST, *manifest["files"]}
    problems += [f"{name} is not the bundle's: its manifest does not name it." for name in extra]
    labels = root / LABELS
    expected = "".join(f"{label}\n" for label in manifest["task"]["labels"]).encode()
    if not problems and labels.read_bytes() != expected:
        problems.append(f"{LABELS} holds other labels than {MANIFEST}.")
    return sorted(problems)


def _file_problems(path: Path, entry: Mapping[str, Any]) -> list[str]:
    if path.is_symlink():
        return [f"{path.name} is a symbolic link; a bundle holds plain files only."]
    if not path.exists():
        return [f"{path.name} is missing: copy the bundle again."]
    if not path.is_file():
        return [f"{path.name} is not a file."]
    try:
        content = path.read_bytes()
    except OSError as error:
        return [f"{path.name} cannot be read: {error.strerror}."]
    if len(content) != entry["bytes"]:
        return [f"{path.name} was changed: {len(content)} bytes instead of {entry['bytes']}."]
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        return [f"{path.name} was changed: its sha256 is not the manifest's."]
    return []


def _check_target(target: Path) -> None:
    """Only an empty place, or a bundle with nothing of the user's in it, is overwritten."""
    if not target.exists():
        return
    if not target.is_dir():
        raise BundleError(f"{target} is a file: give the name of a new folder.")
    present = {path.name for path in target.iterdir()}
    if not present:
        return
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


def _model_entry(content: bytes, runner: Runner) -> dict[str, Any]:
    info = inspect(content)
    return {
        "precision": info.precision,
        "bytes": info.file_bytes,
        "parameters": info.parameters,
        "macs": info.macs,
        "operators": dict(info.operator_counts),
        "input": _end_entry(runner.input),
        "output": _end_entry(runner.output),
    }


def _stored(value: float, spec: TensorSpec) -> float:
    """A real value in a tensor's own numbers, between two of them perhaps."""
    if spec.scale is None or spec.zero_point is None:
        return value
    return value / spec.scale + spec.zero_point


def _end_entry(spec: TensorSpec) -> dict[str, Any]:
    return {
        "dtype": spec.dtype,
        "shape": list(spec.shape),
        "scale": spec.scale,
        "zero_point": spec.zero_point,
    }


def _file_entry(content: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _npz(raw: Array, labels: NDArray[Any], expected: Mapping[str, Array]) -> bytes:
    """An uncompressed archive; NumPy dates its members 1980-01-01: equal arrays, equal bytes."""
    buffer = io.BytesIO()
    arrays = {"inputs": raw, "labels": labels.astype(np.int64), **expected}
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _json(manifest: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BundleError(f"The provenance holds what JSON cannot: {error}.") from error
    return f"{text}\n".encode()
