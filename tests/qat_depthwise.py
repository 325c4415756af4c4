"""A fake-quantized network with uneven depthwise channels beside its file, in tf_keras' process.

Run by tests/test_pipeline_qat_depthwise.py; prints one line of JSON. FOLDER gets the files.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

CHANNELS, MULTIPLIER = 8, 2
SHAPE, CLASSES = (8, 8, CHANNELS), 5
EPSILON = 1e-7  # of batch normalization, small beside the smallest variance
# What the output channels of a kernel are multiplied with; one of them is dead.
SIZES = {
    "dw": np.array([*np.geomspace(1e-2, 10.0, CHANNELS - 1), 0.0]),
    "wide": np.array([*np.geomspace(1e-2, 10.0, CHANNELS * MULTIPLIER - 1), 0.0]),
}


def main(folder):
    import tensorflow as tf
    import tf_keras
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_scheme,
    )

    from hintlite.deploy.convert.qat import fake_quantized_to_int8
    from hintlite.deploy.interpret.runtime import Runner
    from hintlite.pipeline.qat import annotate, ranges
    from hintlite.pipeline.qat.rebuild import rebuild

    tfmot_scheme = default_8bit_quantize_scheme.Default8BitQuantizeScheme
    images = np.random.default_rng(1).normal(size=(100, *SHAPE)).astype(np.float32)
    said = {}
    for name, scheme in (("own", annotate.Scheme), ("tfmot", tfmot_scheme)):
        tf_keras.backend.clear_session()  # tfmot numbers its input quantizers through a process
        annotate.Scheme = scheme
        plan = blueprint()
        float_network = rebuild(plan)
        network = annotate.with_fake_quantization(float_network, plan)
        ranges.start_ranges(network, float_network, images)
        content = fake_quantized_to_int8(network)
        (folder / f"{name}.tflite").write_bytes(content)
        trained, runner = network(images, training=False).numpy(), Runner(content)
        step = runner.output.scale
        said[name] = {
            "steps": float(np.abs(runner.predict(images) - trained).max() / step),
            "rounded": float(np.abs(float_network(images).numpy() - trained).max() / step),
            "ranges": kernel_ranges(network),
        }
        if name == "own":
            # A step of training takes the ranges from the kernels, too.
            for layer in network.layers:
                for variable in layer.variables:
                    if "depthwise_kernel_m" in variable.name:
                        variable.assign(tf.zeros_like(variable))
            network(images[:8], training=True)
            said["in_training"] = kernel_ranges(network)
    print(json.dumps(said))


def blueprint():
    """Depthwise convolutions with batch normalization, and one right before a Concatenate."""
    from hintlite.pipeline.qat.blueprint import Blueprint, Step
    from hintlite.pipeline.qat.read_affine import affine

    random = np.random.default_rng(0)
    n = CHANNELS * MULTIPLIER
    steps = (
        *normalized("dw", "image", 1, random),
        *normalized("wide", "dw.relu", MULTIPLIER, random),
        affine("lone", "wide.relu", np.geomspace(0.05, 2.0, n), random.normal(0, 0.2, n)),
        Step("both", "Concatenate", ("lone", "wide.relu")),
        Step("pw", "Conv2D", ("both",), {"filters": 6, "kernel_size": 1},
             weights(random.normal(size=(1, 1, 2 * n, 6)), np.zeros(6))),
        Step("pool", "GlobalAveragePooling2D", ("pw",)),
        Step("logits", "Dense", ("pool",), {"units": CLASSES},
             weights(random.normal(size=(6, CLASSES)), np.zeros(CLASSES))),
    )  # fmt: skip
    return Blueprint("image", SHAPE, steps, "logits")


def normalized(name, before, multiplier, random):
    """A depthwise convolution whose channels are of very different size, and its normalization.

    The normalization divides by the sizes, so that all channels matter alike behind it.
    """
    from hintlite.pipeline.qat.blueprint import Step

    sizes, n = SIZES[name], len(SIZES[name])
    kernel = random.normal(size=(3, 3, CHANNELS, multiplier)) * sizes.reshape(CHANNELS, multiplier)
    variance = random.uniform(1, 9, n) * np.maximum(sizes, 1e-2) ** 2
    gamma = random.uniform(0.5, 1.5, n) * random.choice([-1, 1], n)
    norm = weights(gamma, random.normal(0, 0.2, n), np.zeros(n), variance)
    settings = {"kernel_size": 3, "padding": "same", "use_bias": False}
    settings["depth_multiplier"] = multiplier
    return (
        Step(name, "DepthwiseConv2D", (before,), settings, weights(kernel)),
        Step(f"{name}.norm", "BatchNormalization", (name,), {"epsilon": EPSILON}, norm),
        Step(f"{name}.relu", "ReLU", (f"{name}.norm",)),
    )


def weights(*arrays):
    return tuple(np.asarray(array, np.float32) for array in arrays)


def kernel_ranges(network):
    """Layer -> (smallest, largest) values of the range of its depthwise kernel."""
    from hintlite.pipeline.qat.trained import variables_by_name

    found = {}
    for layer in network.layers:
        variables = variables_by_name(layer)
        if "depthwise_kernel_min" in variables:
            low, high = (variables[f"depthwise_kernel_{end}"] for end in ("min", "max"))
            found[layer.layer.name] = (low.numpy().tolist(), high.numpy().tolist())
    return found


if __name__ == "__main__":
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    main(Path(sys.argv[1]))
