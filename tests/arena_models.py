"""Small full-INT8 networks of different shapes, and TFLM's own record of their arenas."""

import functools
import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from deploy_models import CLASSES, randomize

RECORD = """
import json, os, sys, tempfile
from tflite_micro import runtime
found = {}
for name in sys.argv[1:]:
    with tempfile.TemporaryFile() as caught:
        saved = os.dup(2)
        os.dup2(caught.fileno(), 2)  # TFLM prints from C
        interpreter = runtime.Interpreter.from_file(name, arena_size=1 << 22)
        interpreter.print_allocations()
        os.dup2(saved, 2)
        caught.seek(0)
        found[name] = caught.read().decode()
print(json.dumps(found))
"""


def need_tflite_micro():
    if find_spec("tflite_micro") is None and os.environ.get("CI") != "true":
        pytest.skip("tflite-micro is not installed: pip install -e '.[mcu]'")


def recorded(paths):
    """Path -> (bytes of activations, persistent bytes) as the interpreter on this host says."""
    command = [sys.executable, "-c", RECORD, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return {
        path: tuple(int(re.search(rf"allocation {end} (\d+)", text)[1]) for end in ("head", "tail"))
        for path, text in json.loads(done.stdout).items()
    }


def _conv(x, filters, kernel=3, strides=1):
    from keras import layers

    return layers.ReLU()(layers.Conv2D(filters, kernel, strides, padding="same")(x))


def _sequential(x):
    from keras import layers

    x = layers.MaxPooling2D(2)(_conv(x, 8))
    return layers.GlobalAveragePooling2D()(_conv(x, 12))


def _residual(x):
    from keras import layers

    x = _conv(x, 8)
    y = layers.Conv2D(8, 3, padding="same")(_conv(x, 8))
    return layers.GlobalAveragePooling2D()(layers.ReLU()(layers.Add()([x, y])))


def _concat(x):
    from keras import layers

    x = _conv(x, 6)
    parts = [_conv(x, 5, 1), _conv(x, 7), layers.MaxPooling2D(3, 1, padding="same")(x)]
    return layers.GlobalAveragePooling2D()(layers.Concatenate()(parts))


def _depthwise(x):
    from keras import layers

    x = _conv(x, 16, 5, 2)
    for _ in range(2):
        x = _conv(layers.ReLU()(layers.DepthwiseConv2D(3, padding="same")(x)), 16, 1)
    return layers.Flatten()(layers.AveragePooling2D(3)(x))


def _two_branches(x):
    from keras import layers

    a = layers.MaxPooling2D(2)(_conv(_conv(x, 4), 6))
    b = _conv(_conv(x, 9, 5, 2), 6)
    return layers.GlobalAveragePooling2D()(layers.Maximum()([a, b]))


def _dense(x):
    from keras import layers

    return layers.Dense(20, activation="relu")(layers.Dense(30)(layers.Flatten()(x)))


def _transposed(x):
    from keras import layers

    x = layers.Conv2DTranspose(3, 3, strides=2, padding="same")(_conv(x, 4))
    return layers.GlobalAveragePooling2D()(x)


BODIES = {
    "sequential": _sequential,
    "residual": _residual,
    "concat": _concat,
    "depthwise": _depthwise,
    "two_branches": _two_branches,
    "dense": _dense,
    "transposed": _transposed,
}


@functools.cache
def int8_bytes(name):
    """The named network with random weights, converted."""
    import keras
    from keras import layers

    from hintlite.deploy.convert.convert import to_int8

    inputs = keras.Input((12, 12, 2))
    outputs = layers.Dense(CLASSES)(BODIES[name](inputs))
    samples = np.random.default_rng(0).normal(size=(8, 12, 12, 2)).astype(np.float32)
    return to_int8(randomize(keras.Model(inputs, outputs)), samples)
