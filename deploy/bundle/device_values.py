"""Raw values for the model of this folder, and what its outputs say; predict.py uses it."""

from __future__ import annotations

from typing import Any

import numpy as np


def inputs_of(about: dict[str, Any]) -> Any:
    """Shape and normalization of each input, of the manifest."""
    task = about["task"]
    one = {"shape": task["input_shape"], "normalization": about["normalization"]}
    return task.get("inputs") or [one]


def raw_of(name: str, wanted: dict[str, Any]) -> Any:
    """Raw values of one input from a file."""
    if name.endswith(".npz"):
        return np.load(name, allow_pickle=False)[wanted["name"]]
    if name.endswith(".npy"):
        return np.load(name, allow_pickle=False)
    from PIL import Image, ImageOps  # a picture, brought to the raw values of the training images

    h, w, c = wanted["shape"]
    image = ImageOps.exif_transpose(Image.open(name)).convert({1: "L", 3: "RGB", 4: "RGBA"}[c])
    most = wanted["normalization"]["raw_max"]
    return np.rint(np.asarray(image.resize((w, h), 2)) * (most / 255))


def stored(raw: Any, wanted: dict[str, Any], given: dict[str, Any]) -> Any:
    """Raw values as an input of the model takes them, with a batch of 1."""
    norm = wanted["normalization"]
    raw = raw.reshape([1, *wanted["shape"]]).astype(np.float32)
    x = (raw - np.float32(norm["mean"])) / np.float32(norm["std"])
    if not given["quantization"][0]:
        return x.astype(given["dtype"])
    # whole steps of its scale, halves away from zero
    steps = (x / np.float32(given["quantization"][0])).astype(np.float64)
    steps = np.copysign(np.floor(np.abs(steps) + 0.5), steps) + given["quantization"][1]
    limits = np.iinfo(given["dtype"])
    return np.clip(steps, limits.min, limits.max).astype(given["dtype"])


def answers(about: dict[str, Any], outputs: Any, details: Any) -> Any:
    """What the outputs say: the label that is chosen, or a line of real values for each output."""
    task, entry = about["task"], next(iter(about["models"].values()))
    if task["labels"]:
        out, limit = outputs[task.get("answer", 0)], entry.get("output", {}).get("threshold")
        chosen = np.argmax(out) if limit is None else int(out.ravel()[0] > limit)
        return [[task["labels"][chosen]]]
    lines = []
    for each, out, detail in zip(entry["outputs"], outputs, details):
        scale, zero = detail["quantization"]
        values = scale * (out.astype(np.float64) - zero) if scale else out
        lines.append([each["name"], *("%.6g" % value for value in np.ravel(values))])
    return lines
