"""Equalization moves ranges from channel to channel and leaves the function as it is."""

import keras
import numpy as np
import pytest
from deploy_models import calibration, randomize
from ptq_networks import depthwise_chain, logits, noise, spoiled

from hintlite.errors import HintliteError
from hintlite.models.equalize import REPLACE, equalized
from hintlite.models.fold import folded


def test_a_badly_scaled_channel_is_equalized_exactly_and_int8_is_the_better_for_it():
    samples = calibration(200)  # the ranges hold them all: what remains is rounding
    network = spoiled(depthwise_chain())
    before = logits(network, samples)
    changed, pairs = equalized(network)
    after = logits(changed, samples)
    assert np.abs(after - before).max() < 1e-4 * np.ptp(before)
    assert [(pair.first, pair.second) for pair in pairs] == [
        ("conv", "depthwise"),
        ("depthwise", "pointwise"),
        ("pointwise", "head"),
    ]
    assert pairs[0].range_ratio > 1000
    assert pairs[0].range_ratio_after < 20
    assert noise(changed, before, samples) < 0.1 * noise(network, before, samples)
    np.testing.assert_array_equal(logits(network, samples), before)  # the original is untouched


def test_both_ranges_of_every_channel_become_their_geometric_mean():
    inputs = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu", use_bias=False, name="a")(inputs)
    x = keras.layers.Conv2D(2, 1, use_bias=False, name="b")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    network = randomize(keras.Model(inputs, keras.layers.Dense(3)(x)))
    kernels = [network.get_layer(name).kernel.numpy() for name in "ab"]
    written, read = np.abs(kernels[0]).max((0, 1, 2)), np.abs(kernels[1]).max((0, 1, 3))
    changed, (pair, second) = equalized(network)
    a, b = (changed.get_layer(name).kernel.numpy() for name in "ab")
    # The layer behind b moves b's outputs, not its inputs: compare what b reads up to that.
    moved = np.abs(a).max((0, 1, 2))
    factors = written / moved
    np.testing.assert_allclose(a * factors, kernels[0], rtol=1e-5)
    assert pair.spread_before == pytest.approx(written.max() / written.min(), rel=1e-5)
    ratio = written / read
    assert pair.range_ratio == pytest.approx(ratio.max() / ratio.min(), rel=1e-5)
    np.testing.assert_allclose(moved, np.abs(b).max((0, 1, 3)), rtol=5e-3)
    assert pair.range_ratio_after == pytest.approx(1.0, abs=0.01)
    assert second.first == "b"


def test_a_pair_around_a_relu6_is_skipped_and_the_reason_told():
    samples = calibration(50, seed=1)
    network = depthwise_chain(relu6=True)
    before = logits(network, samples)
    changed, pairs = equalized(network)
    assert [bool(pair.skipped) for pair in pairs] == [True, True, False]
    assert "conv_relu" in pairs[0].skipped
    assert pairs[0].range_ratio_after == pytest.approx(pairs[0].range_ratio, rel=0.5)
    np.testing.assert_allclose(logits(changed, samples), before, atol=1e-4 * np.ptp(before))


def test_relu6_is_replaced_where_it_never_clips_and_shows_where_it_does():
    samples = calibration(50, seed=1)
    network = depthwise_chain(relu6=True)
    quiet = network.get_layer("conv_bn"), network.get_layer("dw_bn")
    for norm in quiet:
        norm.set_weights([w * (0.05 if i < 2 else 1.0) for i, w in enumerate(norm.get_weights())])
    changed, pairs = equalized(network, REPLACE)
    assert not any(pair.skipped for pair in pairs)
    before = logits(network, samples)
    np.testing.assert_allclose(logits(changed, samples), before, atol=1e-4 * np.ptp(before))

    clipping = spoiled(depthwise_chain(relu6=True))
    changed, _ = equalized(clipping, REPLACE)
    before = logits(clipping, samples)
    assert np.abs(logits(changed, samples) - before).max() > 1e-2 * np.ptp(before)


def test_what_something_else_reads_is_left_alone():
    inputs = keras.Input((6, 6, 2))
    x = keras.layers.Conv2D(4, 3, padding="same", name="first")(inputs)
    x = keras.layers.ReLU()(x)
    branch = keras.layers.Conv2D(4, 1, name="second")(x)
    x = keras.layers.Add()([x, branch])
    shared = keras.layers.Conv2D(4, 1, name="shared")
    x = shared(keras.layers.ReLU()(shared(x)))
    x = keras.layers.Activation("tanh")(x)
    x = keras.layers.Conv2D(4, 3, name="last", activation="relu")(x)
    x = keras.layers.Flatten()(keras.layers.MaxPooling2D(2)(x))
    network = randomize(keras.Model(inputs, keras.layers.Dense(3, name="head")(x)))
    changed, pairs = equalized(network)
    assert [(pair.first, pair.second) for pair in pairs] == [("last", "head")]
    x = np.random.default_rng(0).normal(size=(9, 6, 6, 2)).astype(np.float32)
    np.testing.assert_allclose(logits(changed, x), logits(network, x), atol=1e-5)
    kept = folded(network).get_layer("first").kernel.numpy()
    np.testing.assert_array_equal(changed.get_layer("first").kernel.numpy(), kept)


def test_a_channel_of_small_weights_does_not_get_a_huge_bias():
    network = depthwise_chain()
    norm = network.get_layer("conv_bn")
    gamma, beta = norm.gamma.numpy(), norm.beta.numpy()
    gamma[2], beta[2] = 1e-6, 0.3
    norm.gamma.assign(gamma)
    norm.beta.assign(beta)
    largest = np.abs(folded(network).get_layer("conv").bias.numpy()).max()
    changed, _ = equalized(network)
    assert np.abs(changed.get_layer("conv").bias.numpy()).max() < 10 * largest


def test_another_word_for_relu6_is_refused():
    with pytest.raises(HintliteError, match="skip or replace"):
        equalized(depthwise_chain(), "ignore")
