"""The model of this folder on pictures, or on .npy arrays of raw values: python3 predict.py cat.png

Needs numpy, ai-edge-litert or tflite-runtime, and Pillow for pictures.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tflite_runtime.interpreter import Interpreter

HERE = Path(__file__).resolve().parent
ABOUT = json.loads((HERE / "manifest.json").read_text(encoding="utf-8"))
NORM, LABELS, SHAPE = ABOUT["normalization"], ABOUT["task"]["labels"], ABOUT["task"]["input_shape"]


def read(path: str) -> np.ndarray:
    """Raw values as the training images had them, [h, w, c]."""
    if path.endswith(".npy"):
        return np.load(path, allow_pickle=False).reshape(SHAPE)
    from PIL import Image, ImageOps

    mode = {1: "L", 3: "RGB", 4: "RGBA"}[SHAPE[2]]
    image = ImageOps.exif_transpose(Image.open(path)).convert(mode)
    pixels = np.asarray(image.resize((SHAPE[1], SHAPE[0]), 2)).reshape(SHAPE)  # 2: bilinear
    return np.rint(pixels * (NORM["raw_max"] / 255))


def stored(values: np.ndarray, end: Any) -> np.ndarray:
    """Real numbers in the type of the model's input; halves are rounded away from zero."""
    if end["dtype"] == np.float32:
        return values
    scale, zero_point = end["quantization"]
    steps = (values / np.float32(scale)).astype(np.float64)
    limits = np.iinfo(end["dtype"])
    steps = np.copysign(np.floor(np.abs(steps) + 0.5), steps) + zero_point
    return np.clip(steps, limits.min, limits.max).astype(end["dtype"])


model = Interpreter(model_path=str(HERE / next(iter(ABOUT["models"]))))
model.allocate_tensors()
given, taken = model.get_input_details()[0], model.get_output_details()[0]
for name in sys.argv[1:] or sys.exit(__doc__):
    x = (read(name).astype(np.float32) - np.float32(NORM["mean"])) / np.float32(NORM["std"])
    model.set_tensor(given["index"], stored(x, given)[np.newaxis])
    model.invoke()
    print(name, LABELS[int(np.argmax(model.get_tensor(taken["index"])[0]))], sep="\t")
