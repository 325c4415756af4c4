"""Networks that are hard to quantize, for the tests of deploy/ptq and models/equalize.py."""

import importlib.util
import os

import numpy as np
import pytest
from deploy_models import CLASSES, SHAPE, calibration, randomize, with_balanced_classes


def require_edge_quantizer():
    """Skips the tests of a file where ai-edge-quantizer is missing; in CI they fail instead."""
    if importlib.util.find_spec("ai_edge_quantizer") is None and "CI" not in os.environ:
        pytest.skip("needs ai-edge-quantizer: pip install -e '.[ptq]'", allow_module_level=True)


def depthwise_chain(relu6=False, seed=0, width=6):
    """conv-BN-ReLU, depthwise-BN-ReLU, pointwise-BN-ReLU, pool, dense: 8x8x2 -> 4 logits."""
    import keras
    from keras import layers

    top = 6.0 if relu6 else None
    x = inputs = keras.Input(SHAPE)
    x = layers.Conv2D(width, 3, padding="same", use_bias=False, name="conv")(x)
    x = layers.ReLU(top, name="conv_relu")(layers.BatchNormalization(name="conv_bn")(x))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(x)
    x = layers.ReLU(top, name="depthwise_relu")(layers.BatchNormalization(name="dw_bn")(x))
    x = layers.Conv2D(2 * width, 1, use_bias=False, name="pointwise")(x)
    x = layers.ReLU(name="pointwise_relu")(layers.BatchNormalization(name="pointwise_bn")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    network = keras.Model(inputs, layers.Dense(CLASSES, name="head")(x))
    return with_balanced_classes(randomize(network, seed))


def spoiled(network, norm="conv_bn", reader="depthwise", channel=1, factor=100.0):
    """Scales a channel behind a normalization, and what the next layer reads of it back.

    The function stays the same (ReLU is homogeneous); the map between the two gets a range that
    leaves all its other channels a few of the 255 steps.
    """
    scale, layer = network.get_layer(norm), network.get_layer(reader)
    for variable in (scale.gamma, scale.beta):
        values = variable.numpy()
        values[channel] *= factor
        variable.assign(values)
    kernel = layer.kernel.numpy()
    kernel[:, :, channel] /= factor
    layer.kernel.assign(kernel)
    return network


def maxout_chain(use_bias=True, seed=0):
    """Two maxout layers of two pieces, a max pool between them, dense: 8x8x2 -> 4 logits."""
    import keras
    from keras import layers

    from hintlite.models.blocks import maxout

    x = inputs = keras.Input(SHAPE)
    x = maxout(x, 6, (3, 3), 2, name="max1", padding=1, use_bias=use_bias)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = maxout(x, 5, (3, 3), 2, name="max2", padding=1, use_bias=use_bias)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    network = keras.Model(inputs, layers.Dense(CLASSES, name="head")(x))
    return with_balanced_classes(randomize(network, seed))


def scaled(network, writers, readers, channel=1, factor=100.0):
    """Scales what some convolutions write into a channel, and what others read of it back."""
    for name in writers:
        kernel, *bias = network.get_layer(name).get_weights()
        for weights in (kernel, *bias):
            weights[..., channel] *= factor
        network.get_layer(name).set_weights([kernel, *bias])
    for name in readers:
        kernel, *bias = network.get_layer(name).get_weights()
        kernel[:, :, channel] /= factor
        network.get_layer(name).set_weights([kernel, *bias])
    return network


def logits(network, samples):
    """What a network says of samples, `[n, classes]`."""
    return np.asarray(network.predict(samples, verbose=0))


def noise(network, exact, samples):
    """Squared error of the INT8 file's logits, as a share of their squares."""
    from hintlite.deploy.convert.convert import to_int8
    from hintlite.deploy.interpret.runtime import Runner

    out = Runner(to_int8(network, calibration(200))).predict(samples)
    return float(np.sum((out - exact) ** 2) / np.sum(exact**2))


def labelled(network, samples):
    """What a network says of samples: labels that it gets right."""
    return np.argmax(network.predict(samples, verbose=0), axis=1).astype(np.int64)
