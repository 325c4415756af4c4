"""What the bundle around a model knows of it, for sources that are made of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hintlite.deploy.bundle.bundle import check_bundle
from hintlite.deploy.bundle.manifest import MANIFEST, BundleError, read_manifest
from hintlite.deploy.bundle.samples import read_samples
from hintlite.deploy.tflite.graph import Array
from hintlite.deploy.tflite.quantization import normalize, quantize


@dataclass(frozen=True, eq=False)
class BundleFacts:
    """What a single `.tflite` file does not tell.

    Attributes:
        labels: the classes' names, in the order of the outputs; none where it answers numbers.
        normalization: "mean", "std" and "raw_dtype" of the raw values.
        raw: the bundle's first sample, raw [h, w, c].
        label: its class; None where the model answers numbers, and has no labels.
    """

    labels: tuple[str, ...]
    normalization: Mapping[str, Any]
    raw: Array
    label: int | None

    @property
    def source(self) -> str:
        """Where the sample comes from, in one sentence."""
        if self.label is None:
            return "The bundle's first sample."
        return f"The bundle's first sample, of class {self.label} ({self.labels[self.label]})."

    def stored(self, scale: float, zero_point: int) -> Array:
        """The sample as an INT8 model with this input is given it, int8 [h * w * c]."""
        real = normalize(
            self.raw[np.newaxis], self.normalization["mean"], self.normalization["std"]
        )
        return quantize(real, scale, zero_point, np.int8).reshape(-1)


def read_facts(model: Path) -> BundleFacts | None:
    """The facts of the bundle that a model lies in; None where it lies in none.

    Args:
        model: a `.tflite` file, alone or in a bundle's folder.

    Raises:
        BundleError: the bundle around the file is damaged.
    """
    folder = model.parent
    if not (folder / MANIFEST).is_file():
        return None
    manifest = read_manifest(folder)
    if model.name not in manifest["models"]:
        return None
    problems = check_bundle(folder)
    if problems:
        raise BundleError(f"{folder} is not as it was written: {problems[0]}")
    found = read_samples(folder, manifest, model.name, 1)
    label = None if found.labels is None else int(found.labels[0])
    labels = tuple(manifest["task"]["labels"])
    return BundleFacts(labels, manifest["normalization"], found.raw[0][0], label)
