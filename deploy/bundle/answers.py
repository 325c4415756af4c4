"""The values of every output of a bundle's model for raw samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hintlite.deploy.bundle.manifest import inputs_of
from hintlite.deploy.bundle.predict import bundled_model
from hintlite.deploy.interpret.several import real_answers
from hintlite.deploy.tflite.graph import Array, ModelError
from hintlite.deploy.tflite.quantization import normalize


def real_outputs(
    folder: Path, manifest: Mapping[str, Any], model: str, raw: Sequence[Array]
) -> dict[str, Array]:
    """What a bundle's file answers, in a process of its own.

    Args:
        folder: the bundle.
        manifest: of it.
        model: file name.
        raw: one array [n, ...] of raw values an input, in the manifest's order.

    Returns:
        The outputs' names -> real values [n, ...].

    Raises:
        BundleError: a file that was changed.
        ModelError: samples of another shape.
    """
    inputs = inputs_of(manifest)
    fed = []
    for each, array in zip(inputs, raw, strict=True):
        if list(array.shape[1:]) != each["shape"]:
            raise ModelError(
                f"The input {each['name']} takes samples of shape {each['shape']}, got "
                f"{list(array.shape[1:])}: bring them to it."
            )
        way = each["normalization"]
        fed.append(np.asarray(normalize(array, way["mean"], way["std"])))
    outputs = manifest["models"][model].get("outputs", [{"name": "logits"}])
    names = [each["name"] for each in outputs]
    content = bundled_model(folder, manifest, model)
    found = real_answers(content, fed, [each["name"] for each in inputs], names)
    return dict(zip(names, found, strict=True))
