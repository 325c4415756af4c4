"""The model of this folder on pictures, or on .npy arrays of raw values: python3 predict.py cat.png

Needs numpy, ai-edge-litert or tflite-runtime, and Pillow for pictures.
"""

import json
import sys
from pathlib import Path

import numpy as np

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tflite_runtime.interpreter import Interpreter

ABOUT = json.loads(Path(__file__).with_name("manifest.json").read_text(encoding="utf-8"))
NORM, SHAPE = ABOUT["normalization"], ABOUT["task"]["input_shape"]
LIMIT = next(iter(ABOUT["models"].values())).get("output", {}).get("threshold")
model = Interpreter(model_path=str(Path(__file__).with_name(next(iter(ABOUT["models"])))))
model.allocate_tensors()
given, taken = model.get_input_details()[0], model.get_output_details()[0]
for name in sys.argv[1:] or sys.exit(__doc__):
    if name.endswith(".npy"):
        raw = np.load(name, allow_pickle=False)
    else:  # a picture, brought to the raw values of the training images
        from PIL import Image, ImageOps

        H, W, C = SHAPE
        image = ImageOps.exif_transpose(Image.open(name)).convert({1: "L", 3: "RGB", 4: "RGBA"}[C])
        raw = np.rint(np.asarray(image.resize((W, H), 2)) * (NORM["raw_max"] / 255))
    raw = raw.reshape(SHAPE).astype(np.float32)
    x = (raw - np.float32(NORM["mean"])) / np.float32(NORM["std"])
    if given["dtype"] != np.float32:  # whole steps of its scale, halves away from zero
        steps = (x / np.float32(given["quantization"][0])).astype(np.float64)
        steps = np.copysign(np.floor(np.abs(steps) + 0.5), steps) + given["quantization"][1]
        limits = np.iinfo(given["dtype"])
        x = np.clip(steps, limits.min, limits.max).astype(given["dtype"])
    model.set_tensor(given["index"], x[np.newaxis])
    model.reset_all_variables()  # an LSTM begins each sample anew
    model.invoke()
    out = model.get_tensor(taken["index"])[0]
    chosen = np.argmax(out) if LIMIT is None else int(out[0] > LIMIT)
    print(name, ABOUT["task"]["labels"][chosen], sep="\t")
