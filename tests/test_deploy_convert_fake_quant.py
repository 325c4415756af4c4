"""The checks of a file that was converted from fake quantization: each can fail."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from hintlite.deploy.convert.checks import ConversionError
from hintlite.deploy.convert.fake_quant import fake_quantized_file, faults_of, grids
from hintlite.deploy.convert.frozen import End, frozen
from hintlite.deploy.tflite.flatbuffer import read_model

SHAPE = (6, 6, 3)
KERNEL = np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype(np.float32)
BIAS = np.array([0.1, -0.2, 0.3, 0.4], np.float32)


def rounded(x, low=-1.0, high=1.0, bits=8):
    return tf.quantization.fake_quant_with_min_max_vars(x, low, high, bits)


def convolution(bias=BIAS, bits=8, between=tf.identity):
    """A convolution with a scale a channel, its ends rounded."""

    def function(x):
        widest = np.abs(KERNEL).max(axis=(0, 1, 2))
        kernel = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            KERNEL, -widest, widest, bits, narrow_range=True
        )
        y = tf.nn.conv2d(rounded(x), kernel, 1, "VALID") + bias
        return rounded(between(y), -9.0, 9.0)

    return function


@pytest.fixture(scope="module")
def converted():
    function = convolution()
    content = fake_quantized_file(function, SHAPE)
    return read_model(content), grids(frozen(function, [End("input", SHAPE)]))


def test_the_grids_are_those_of_the_fake_quantization(converted):
    _, found = converted
    weights = [grid for grid in found if grid.weights]
    activations = [grid for grid in found if not grid.weights]
    np.testing.assert_allclose(weights[0].scales, np.abs(KERNEL).max(axis=(0, 1, 2)) / 127, 1e-6)
    assert [grid.zero_point for grid in activations] == [0, 0]
    np.testing.assert_allclose([g.scales[0] for g in activations], [2 / 255, 18 / 255], 1e-6)


def test_a_sound_file_has_no_faults(converted):
    assert faults_of(*converted) == []


def test_other_scales_are_found(converted):
    model, found = converted
    other = [replace(grid, scales=grid.scales * 1.01) for grid in found]
    texts = faults_of(model, other)
    assert any("the weights" in text for text in texts)
    assert any("which was not trained" in text for text in texts)


def test_other_bits_are_found(converted):
    model, found = converted
    other = [replace(grid, bits=4) for grid in found]
    assert faults_of(model, other) == ["0 tensors have 4 bits, 1 were asked for"]


def test_an_even_bias_is_found():
    with pytest.raises(ConversionError, match="one integer for channels of other scales"):
        fake_quantized_file(convolution(np.full(4, 0.5, np.float32)), SHAPE)


def test_a_bias_beyond_32_bits_is_found():
    with pytest.raises(ConversionError, match="does not fit 32 bits"):
        fake_quantized_file(convolution(BIAS * 1e7), SHAPE)


def test_an_operator_in_float_is_found():
    with pytest.raises(ConversionError, match="not full INT8"):
        fake_quantized_file(convolution(between=tf.nn.elu), SHAPE)


def test_weights_that_are_not_finite_are_found():
    with pytest.raises(ConversionError, match="NaN or infinity"):
        fake_quantized_file(convolution(BIAS * np.nan), SHAPE)
