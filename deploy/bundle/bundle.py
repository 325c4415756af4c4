"""The flat folder that goes to a device: models, labels, samples with expected outputs, manifest.

The same contents give the same bytes: the manifest holds no date and no path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hintlite.deploy.bundle.contents import check_ends, check_names, check_samples
from hintlite.deploy.bundle.manifest import (
    LABELS,
    MANIFEST,
    BundleError,
    normalization_entry,
    read_manifest,
)
from hintlite.deploy.bundle.parts import (
    BundleParts,
    checked_target,
    end_entry,
    model_entry,
    write_parts,
)
from hintlite.deploy.bundle.samples import named_arrays
from hintlite.deploy.interpret.runtime import Runner
from hintlite.deploy.tflite.graph import Array
from hintlite.deploy.tflite.quantization import normalize

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
    target = checked_target(folder)
    check_names(models, labels)
    check_samples(samples_raw, sample_labels, input_shape, len(labels), normalization)
    inputs = normalize(samples_raw, normalization["mean"], normalization["std"])
    entries, expected = {}, {}
    for name in sorted(models):
        runner = Runner(models[name], kernels)
        check_ends(name, runner, input_shape, len(labels) if threshold is None else 1)
        entries[name] = {
            **model_entry(models[name]),
            "input": end_entry(runner.input),
            "output": end_entry(runner.output, threshold),
        }
        expected[name] = [runner.predict_raw(runner.input.to_stored(inputs))]
    task: dict[str, Any] = {"labels": list(labels), "input_shape": list(input_shape)}
    if threshold is not None:
        task["threshold"] = threshold
    parts = BundleParts(
        task=task,
        normalization=normalization_entry(normalization),
        entries=entries,
        arrays=named_arrays([samples_raw], sample_labels, expected),
        kernels=kernels,
    )
    return write_parts(target, models, parts, bench_script, provenance)


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
