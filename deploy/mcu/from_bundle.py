"""A TFLM project from a bundle: its labels, its normalization and its first sample go along."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hintlite.deploy.bundle.bundle import check_bundle
from hintlite.deploy.bundle.manifest import MANIFEST, BundleError, read_manifest
from hintlite.deploy.mcu.export import TestSample, TflmExport, export_tflm, read_int8_model
from hintlite.deploy.tflite.quantization import normalize, quantize


def export_file(model: Path, name: str, strip: bool) -> TflmExport:
    """The project of one `.tflite` file; what a bundle around it knows is used.

    Args:
        model: a full-INT8 file, alone or in a bundle's folder.
        name: the C++ namespace.
        strip: see `export_tflm`.

    Raises:
        ModelError: the model or the name does not fit.
        BundleError: the bundle around the file is damaged.
    """
    folder = model.parent
    if not (folder / MANIFEST).is_file() or model.name not in read_manifest(folder)["models"]:
        return export_tflm(model, name, strip=strip)
    problems = check_bundle(folder)
    if problems:
        raise BundleError(f"{folder} is not as it was written: {problems[0]}")
    manifest = read_manifest(folder)
    return export_tflm(
        model,
        name,
        labels=manifest["task"]["labels"],
        normalization=manifest["normalization"],
        sample=_first_sample(folder, model),
        strip=strip,
    )


def _first_sample(folder: Path, model: Path) -> TestSample:
    manifest = read_manifest(folder)
    graph = read_int8_model(model).main
    quantization = graph.tensors[graph.inputs[0]].quantization
    if quantization is None:
        raise BundleError(f"The input of {model.name} has no scale: convert the model again.")
    with np.load(folder / manifest["samples"]["file"], allow_pickle=False) as archive:
        raw, label = archive["inputs"][:1], int(archive["labels"][0])
    scaling = manifest["normalization"]
    real = normalize(raw, scaling["mean"], scaling["std"])
    values = quantize(real, quantization.scales[0], quantization.zero_points[0], np.int8)
    text = f"The bundle's first sample, of class {label} ({manifest['task']['labels'][label]})."
    return TestSample(values.reshape(-1), text)
