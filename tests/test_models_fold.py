"""Folding batch normalization changes the work, not the function."""

import keras
import numpy as np
import pytest

from hintlite.models.fold import folded
from hintlite.models.settings import NetworkConfig
from hintlite.models.teacher import build_teacher

RNG = np.random.default_rng(2)


def shaken(network):
    """Statistics and scales as after a training, not 0 and 1."""
    for variable in network.variables:
        if "variance" in variable.path or "gamma" in variable.path:
            variable.assign(RNG.uniform(0.3, 2.0, variable.shape))
        elif any(part in variable.path for part in ("mean", "beta", "bias")):
            variable.assign(RNG.normal(size=variable.shape))
    return network


def norms(network):
    return [x for x in network.layers if isinstance(x, keras.layers.BatchNormalization)]


@pytest.mark.parametrize(
    "config",
    [
        NetworkConfig(widths=(4, 6), depths=(2, 2)),
        NetworkConfig(widths=(4, 6), depths=(2, 2), residual=True, activation="relu6"),
        NetworkConfig(widths=(4, 6), depths=(2, 2), block="separable"),
        NetworkConfig(widths=(4, 6), depths=(2, 2), batch_norm=False),
    ],
)
def test_every_tap_is_the_same(config):
    network = shaken(build_teacher(config, (8, 8, 3), 5))
    x = RNG.normal(size=(6, 8, 8, 3)).astype(np.float32)
    copy = folded(network)
    assert not norms(copy)
    before, after = network(x, training=False), copy(x, training=False)
    assert before.keys() == after.keys()
    for name, tap in before.items():
        np.testing.assert_allclose(tap, after[name], rtol=1e-4, atol=1e-4)


def test_a_normalization_that_cannot_be_folded_stays():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization()(inputs)
    x = keras.layers.Conv2D(4, 3, activation="relu")(x)
    x = keras.layers.BatchNormalization()(x)
    read_twice = keras.layers.Conv2D(4, 1)(x)
    x = keras.layers.Add()([keras.layers.BatchNormalization()(read_twice), read_twice])
    logits = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x))
    network = shaken(keras.Model(inputs, {"logits": logits}))
    copy = folded(network)
    assert len(norms(copy)) == 3
    x = RNG.normal(size=(6, 8, 8, 3)).astype(np.float32)
    expected = network(x, training=False)["logits"]
    np.testing.assert_allclose(expected, copy(x, training=False)["logits"], rtol=1e-5, atol=1e-5)


def test_the_network_itself_is_not_changed():
    network = shaken(build_teacher(NetworkConfig(widths=(4, 6), depths=(1, 1)), (8, 8, 1), 5))
    before = network.get_weights()
    folded(network).set_weights([0 * w for w in folded(network).get_weights()])
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
