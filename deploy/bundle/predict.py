"""Class probabilities for raw images, from a bundle or from a single model file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.bundle.manifest import BundleError, read_manifest
from hintlite.deploy.interpret.runtime import Progress, Runner
from hintlite.deploy.interpret.worker import shared_worker
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import Array, ModelError
from hintlite.deploy.tflite.quantization import normalize, softmax
from hintlite.errors import SettingsError


def classify(
    source: str | Path | bytes,
    raw: Array,
    *,
    normalization: Mapping[str, Any] | None = None,
    model: str | None = None,
    kernels: str = "xnnpack",
    threads: int = 1,
    progress: Progress | None = None,
    apart: bool = False,
) -> NDArray[np.float32]:
    """Probabilities of each class.

    Args:
        source: a bundle's folder, or the path or the bytes of a `.tflite` file.
        raw: [n, ...] as the normalization expects it: raw values, not normalised.
        normalization: "mean" and "std", c numbers each; needed for a single file, and taken from
            the manifest for a bundle.
        model: file name inside the bundle; default: its INT8 model.
        kernels: see `Runner`.
        threads: see `Runner`.
        progress: called with (samples done, samples in all).
        apart: run a file of unknown origin in a process of its own, which a damaged one may end.

    Returns:
        [n, classes] float32, each row summing to 1 (to about 0.01 where the model itself ends in
        an INT8 softmax).

    Raises:
        BundleError: the folder is no sound bundle, or has no such model.
        ModelError: the file is damaged, or takes images of another shape.
        SettingsError: no normalization for a single file, or one of another number of channels.
    """
    threshold: float | None = None
    if not isinstance(source, bytes) and Path(source).is_dir():
        manifest = read_manifest(source)
        content = bundled_model(source, manifest, model)
        normalization = normalization or manifest["normalization"]
        threshold = manifest["task"].get("threshold")
    elif normalization is None:
        raise SettingsError(
            "A single .tflite file says nothing about its normalization: give mean and std, or "
            "the bundle's folder."
        )
    else:
        content = source if isinstance(source, bytes) else _read(Path(source))
    graph = read_model(content).main
    expected = graph.tensors[graph.inputs[0]].shape[1:]
    if raw.shape[1:] != expected:
        raise ModelError(
            f"The model takes samples of shape [n, {', '.join(map(str, expected))}], "
            f"got {list(raw.shape)}: bring them to it."
        )
    inputs = normalize(raw, normalization["mean"], normalization["std"])
    if apart:
        outputs = shared_worker().predict(content, inputs, kernels, threads, progress)
    else:
        outputs = Runner(content, kernels, threads).predict(inputs, progress)
    return probabilities(outputs, threshold, _ends_in_softmax(content))


def probabilities(
    outputs: Array, threshold: float | None, are_probabilities: bool
) -> NDArray[np.float32]:
    """Probabilities of each class [n, classes] of real outputs.

    Args:
        outputs: [n, classes], or [n, 1] with a threshold: a probability where it is above 0, else
            a logit.
        threshold: of one output that tells two classes.
        are_probabilities: whether [n, classes] are such already, not logits.
    """
    if threshold is None:
        return outputs if are_probabilities else softmax(outputs)
    second = outputs if threshold else 1 / (1 + np.exp(-outputs.astype(np.float64)))
    return np.concatenate([1 - second, second], axis=1).astype(np.float32)


def bundled_model(folder: str | Path, manifest: Mapping[str, Any], name: str | None) -> bytes:
    """The bytes of one model of a bundle, checked against the manifest.

    Args:
        folder: the bundle.
        manifest: from `read_manifest`.
        name: a file name, or None for the INT8 model.

    Raises:
        BundleError: no such model, or a file that was changed.
    """
    entries = manifest["models"]
    if name is None:
        int8 = [file for file, entry in entries.items() if entry.get("precision") == "int8"]
        choice = int8 if len(int8) == 1 else list(entries)
        name = choice[0] if len(choice) == 1 else ""
    if name not in entries:
        raise BundleError(f"Name one of the bundle's models: {', '.join(sorted(entries))}.")
    content = _read(Path(folder) / name)
    if hashlib.sha256(content).hexdigest() != manifest["files"][name]["sha256"]:
        raise BundleError(f"{name} was changed: its sha256 is not the manifest's. Copy it again.")
    return content


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"Cannot read the model {path}: {error.strerror}.") from error


def _ends_in_softmax(content: bytes) -> bool:
    graph = read_model(content).main
    return any(
        operator.name == "SOFTMAX" and graph.outputs[0] in operator.outputs
        for operator in graph.operators
    )
