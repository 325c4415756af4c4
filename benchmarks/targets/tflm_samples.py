"""What TFLM is fed: a bundle's samples as the device would quantize them, or seeded noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.bundle.manifest import limit_of, read_manifest
from hintlite.deploy.tflite.graph import Model, ModelError
from hintlite.deploy.tflite.quantization import normalize, quantize

Array = NDArray[Any]


@dataclass(frozen=True)
class TflmSamples:
    """Inputs in the model's numbers: one int8 array [samples, ...] an input; labels if known.

    `limit` is that of `hintlite.deploy.bundle.manifest.choices`.
    """

    inputs: list[Array]
    labels: Array | None
    limit: float | None = None


def load_samples(bundle: Path, file: str, model: Model, count: int) -> TflmSamples:
    """The first samples of a bundle, or noise for a single file.

    Args:
        bundle: a bundle's folder, or a model file.
        file: the model's name.
        model: its content.
        count: how many samples.

    Raises:
        ModelError: an input without one scale.
        BundleError: a damaged manifest.
    """
    if bundle.is_file():
        return TflmSamples(_noise(model, count), None)
    return _bundled(bundle, file, model, count)


def _noise(model: Model, count: int) -> list[Array]:
    rng = np.random.default_rng(0)
    shapes = [model.main.tensors[index].shape for index in model.main.inputs]
    return [rng.integers(-128, 128, (count, *shape), dtype=np.int8) for shape in shapes]


def _bundled(bundle: Path, file: str, model: Model, count: int) -> TflmSamples:
    manifest = read_manifest(bundle)
    tensor = model.main.tensors[model.main.inputs[0]]
    if tensor.quantization is None:
        raise ModelError(f"The input of {file} is not quantized: convert it to full INT8.")
    with np.load(bundle / manifest["samples"]["file"], allow_pickle=False) as archive:
        raw, labels = archive["inputs"][:count], archive["labels"][:count]
    scaling = manifest["normalization"]
    real = normalize(raw, scaling["mean"], scaling["std"])
    scale, zero_point = tensor.quantization.scales[0], tensor.quantization.zero_points[0]
    limit = limit_of(manifest, file)
    return TflmSamples([quantize(real, scale, zero_point, np.int8)], labels, limit)
