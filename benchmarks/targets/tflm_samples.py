"""What TFLM is fed: a bundle's samples as the device would quantize them, or seeded noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.bundle.manifest import answer_of, read_manifest
from hintlite.deploy.bundle.samples import read_samples
from hintlite.deploy.tflite.graph import NUMPY_DTYPES, Model, ModelError

Array = NDArray[Any]


@dataclass(frozen=True)
class TflmSamples:
    """Inputs in the model's numbers: one array [samples, ...] an input; labels if known.

    `limit` is that of `hintlite.deploy.bundle.manifest.choices`, `answer` the output that chooses.
    """

    inputs: list[Array]
    labels: Array | None
    limit: float | None = None
    answer: int = 0


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
    tensors = [model.main.tensors[index] for index in model.main.inputs]
    return [
        rng.integers(-128, 128, (count, *tensor.shape), dtype=np.int8)
        if tensor.dtype == "INT8"
        else np.zeros((count, *tensor.shape), NUMPY_DTYPES[tensor.dtype])  # a valid index
        for tensor in tensors
    ]


def _bundled(bundle: Path, file: str, model: Model, count: int) -> TflmSamples:
    manifest = read_manifest(bundle)
    for index in model.main.inputs:
        tensor = model.main.tensors[index]
        if tensor.quantization is None and tensor.dtype == "INT8":
            raise ModelError(f"An input of {file} is not quantized: convert it to full INT8.")
    found = read_samples(bundle, manifest, file, count)
    answer = answer_of(manifest) or 0
    return TflmSamples(found.stored(model.main), found.labels, found.limit, answer)
