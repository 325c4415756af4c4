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


def bn(**settings):
    return keras.layers.BatchNormalization(**settings)


def conv(filters=4, **settings):
    return keras.layers.Conv2D(filters, 3, padding="same", **settings)


def norm_after_two(x):
    shared = bn()
    return keras.layers.Concatenate()([shared(conv()(x)), shared(conv()(x))])


def norm_after_two_in_a_row(x):
    shared = bn()
    return shared(conv()(keras.layers.ReLU()(shared(conv()(x)))))


def conv_before_two(x):
    shared = conv()
    one, other = bn()(shared(x)), bn()(shared(keras.layers.ReLU()(x)))
    return keras.layers.Add()([one, other])


def conv_read_twice_by_one(x):
    shared, norm = conv(), bn()
    return keras.layers.Add()([norm(shared(x)), norm(shared(keras.layers.ReLU()(x)))])


def two_consumers(x):
    made = conv()(x)
    return keras.layers.Add()([bn()(made), keras.layers.ReLU()(made)])


def norms_of_one_map(x):
    made = conv()(x)
    return keras.layers.Add()([bn()(made), bn()(made)])


def nested(x):
    inside = keras.Input(x.shape[1:])
    block = keras.Model(inside, bn()(conv()(inside)))
    return keras.layers.Add()([bn()(conv()(x)), bn()(block(x))])


def nested_and_outside(x):
    shared, inside = conv(), keras.Input(x.shape[1:])
    block = keras.Model(inside, keras.layers.ReLU()(shared(inside)))
    return keras.layers.Add()([bn()(shared(x)), block(x)])


def batch_statistics(x):
    return keras.layers.Add()([bn()(conv()(x), training=True), bn()(conv()(x), training=False)])


# Topology -> what follows the input, and how many normalizations stay.
TOPOLOGIES = {
    "one after the other": (lambda x: bn()(conv()(x)), 0),
    "a normalization after two convolutions": (norm_after_two, 1),
    "a normalization twice in a row": (norm_after_two_in_a_row, 1),
    "a convolution before two normalizations": (conv_before_two, 2),
    "both twice": (conv_read_twice_by_one, 1),
    "a convolution with two consumers": (two_consumers, 1),
    "two normalizations of one map": (norms_of_one_map, 2),
    "two normalizations in a row": (lambda x: bn()(bn()(conv()(x))), 1),
    "nested models": (nested, 1),
    "a convolution also in a nested model": (nested_and_outside, 0),
    "statistics of the batch": (batch_statistics, 1),
    "another axis": (lambda x: bn(axis=1)(conv()(x)), 1),
    "the last axis by its number": (lambda x: bn(axis=3)(conv()(x)), 0),
    "a dense layer": (lambda x: bn(axis=2)(keras.layers.Dense(3)(x)), 1),
    "an activation between": (lambda x: bn()(conv(activation="relu")(x)), 1),
    "grouped and dilated": (lambda x: bn(scale=False)(conv(8, groups=2, dilation_rate=2)(x)), 0),
    "depthwise": (lambda x: bn(center=False)(keras.layers.DepthwiseConv2D(3, 2)(x)), 0),
    "a transposed convolution": (lambda x: bn()(keras.layers.Conv2DTranspose(4, 3)(x)), 1),
    "a map that is an output": (lambda x: [(y := conv()(x)), bn()(y)], 1),
}


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_the_function_is_the_same_for_every_topology(name):
    follows, staying = TOPOLOGIES[name]
    inputs = keras.Input((6, 6, 4))
    network = shaken(keras.Model(inputs, follows(inputs)))
    x = RNG.normal(size=(5, 6, 6, 4)).astype(np.float32)
    expected = keras.tree.flatten(network(x, training=False))
    copy = folded(network)
    assert len(norms(copy)) == staying
    for before, after in zip(expected, keras.tree.flatten(copy(x, training=False)), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4)


def test_the_network_itself_is_not_changed():
    network = shaken(build_teacher(NetworkConfig(widths=(4, 6), depths=(1, 1)), (8, 8, 1), 5))
    before, x = network.get_weights(), RNG.normal(size=(2, 8, 8, 1)).astype(np.float32)
    expected = network(x, training=False)["logits"]
    assert not norms(folded(network))
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(network(x, training=False)["logits"], expected)
