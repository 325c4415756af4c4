"""The model of this folder on pictures, or on .npy arrays of raw values: python3 predict.py cat.png

A model of several inputs takes .npz files with one array an input, by its name. Where the model
chooses no class, the values of its outputs are printed. Needs numpy, ai-edge-litert or
tflite-runtime, and Pillow for pictures.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tflite_runtime.interpreter import Interpreter

ABOUT = json.loads(Path(__file__).with_name("manifest.json").read_text(encoding="utf-8"))
TASK, (FILE, ENTRY) = ABOUT["task"], next(iter(ABOUT["models"].items()))
LIMIT = ENTRY.get("output", {}).get("threshold")
INPUTS = TASK.get("inputs") or [
    {"shape": TASK["input_shape"], "normalization": ABOUT["normalization"]}
]
model = Interpreter(model_path=str(Path(__file__).with_name(FILE)))
model.allocate_tensors()


def read(name: str, wanted: dict[str, Any]) -> Any:
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
    """Raw values as an input of the model takes them."""
    norm = wanted["normalization"]
    raw = raw.reshape(wanted["shape"]).astype(np.float32)
    x = (raw - np.float32(norm["mean"])) / np.float32(norm["std"])
    if not given["quantization"][0]:
        return x.astype(given["dtype"])
    # whole steps of its scale, halves away from zero
    steps = (x / np.float32(given["quantization"][0])).astype(np.float64)
    steps = np.copysign(np.floor(np.abs(steps) + 0.5), steps) + given["quantization"][1]
    limits = np.iinfo(given["dtype"])
    return np.clip(steps, limits.min, limits.max).astype(given["dtype"])


def real(taken: dict[str, Any]) -> Any:
    """The values of an output."""
    scale, zero = taken["quantization"]
    out = model.get_tensor(taken["index"])[0]
    return out if not scale else scale * (out.astype(np.float64) - zero)


for name in sys.argv[1:] or sys.exit(__doc__):
    for wanted, given in zip(INPUTS, model.get_input_details()):
        model.set_tensor(given["index"], stored(read(name, wanted), wanted, given)[np.newaxis])
    model.reset_all_variables()  # an LSTM begins each sample anew
    model.invoke()
    outputs = model.get_output_details()
    if TASK["labels"]:
        out = model.get_tensor(outputs[TASK.get("answer", 0)]["index"])[0]
        chosen = np.argmax(out) if LIMIT is None else int(out.ravel()[0] > LIMIT)
        print(name, TASK["labels"][chosen], sep="\t")
        continue
    names = [each["name"] for each in ENTRY["outputs"]]
    for title, taken in zip(names, outputs):
        print(name, title, *("%.6g" % value for value in np.ravel(real(taken))), sep="\t")
