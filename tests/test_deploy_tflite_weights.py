"""deploy/tflite/weights.py: whose weights a file holds, in every precision."""

import numpy as np
import pytest
from deploy_models import SHAPE, calibration, chain, chain_int8, every_layer, randomize, with_layer
from tiny_bundle import TINY

from hintlite.deploy.convert.convert import to_dynamic_range, to_float16, to_float32, to_int8
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.foreign_weights import find_forbidden
from hintlite.deploy.tflite.weights import check_weights, weighted_operators


def strangers(model):
    """Arrays of the same shapes as the model's, with other values."""
    rng = np.random.default_rng(99)
    return {"a stranger": [rng.normal(size=variable.shape) for variable in model.weights]}


@pytest.mark.parametrize("precision", ["int8", "float16", "dynamic_range"])
def test_every_precision_of_every_layer_is_recognised(precision):
    model = every_layer()
    content = {
        "int8": lambda: to_int8(model, calibration()),
        "float16": lambda: to_float16(model),
        "dynamic_range": lambda: to_dynamic_range(model),
    }[precision]()
    assert len(weighted_operators(read_model(content).main)) == 7
    assert check_weights(content, model, strangers(model)) == ()


def test_parents_follow_the_graph():
    operators = weighted_operators(read_model(to_float32(every_layer())).main)
    first, left, right, depthwise = operators[:4]
    assert first.parents == {-1}
    assert left.parents == right.parents == {0}  # the two pieces of the maxout
    assert depthwise.parents == {0, 1, 2}  # behind Add(first, Maximum(left, right))


def test_the_two_pieces_of_a_maxout_may_change_places():
    import keras
    from keras import layers

    def maxout(order):
        inputs = keras.Input(SHAPE)
        pieces = [layers.Conv2D(4, 3, name=name)(inputs) for name in ("a", "b")]
        x = layers.Maximum()([pieces[i] for i in order])
        return keras.Model(inputs, layers.Dense(3, name="c")(layers.GlobalAveragePooling2D()(x)))

    model, other = randomize(maxout((0, 1))), maxout((1, 0))
    for name in "abc":
        other.get_layer(name).set_weights(model.get_layer(name).get_weights())
    assert check_weights(to_float32(other), model) == ()


def test_one_changed_bias_is_found():
    import keras

    changed = keras.models.clone_model(chain())
    changed.set_weights(chain().get_weights())
    beta = changed.get_layer("bn1").beta
    beta.assign(beta.numpy() + np.array([0, 0, 0.01, 0]))
    first, second = check_weights(to_int8(changed, calibration(200)), chain())
    assert "The weights of operator 1 (CONV_2D) are not the student's" in first
    assert "comes nearest and differs by" in first
    assert second == "The weights of the student's operator 1 (CONV_2D) are not in the file."


def test_exchanged_channels_are_found():
    import keras

    changed = keras.models.clone_model(chain())
    weights = chain().get_weights()
    kernel = chain().get_layer("conv2").kernel.numpy()
    changed.set_weights(weights)
    changed.get_layer("conv2").set_weights([kernel[..., [1, 0, 2, 3]]])
    assert any("not the student's" in p for p in check_weights(to_float32(changed), chain()))


@pytest.mark.parametrize("kind", ["conv", "depthwise", "dense", "transposed"])
def test_forbidden_kernels_are_found_under_a_folded_batch_norm_in_int8(kind):
    from keras import layers

    layer = {
        "conv": lambda: layers.Conv2D(5, 3, use_bias=False),
        "depthwise": lambda: layers.DepthwiseConv2D(3, use_bias=False),
        "dense": lambda: layers.Dense(6, use_bias=False),
        "transposed": lambda: layers.Conv2DTranspose(5, 3, strides=2),
    }[kind]()

    def block(x):
        x = layers.Flatten()(x) if kind == "dense" else x
        x = layer(x)
        x = x if kind == "transposed" else layers.BatchNormalization()(x)
        return layers.Reshape((1, 1, -1))(x) if kind == "dense" else x

    model = with_layer(block)
    content = read_model(to_int8(model, calibration()))
    kernel = layer.get_weights()[0]
    (problem,) = find_forbidden(content, {"teacher/kernel": kernel})
    assert "holds weights of teacher/kernel" in problem
    noise = np.random.default_rng(3).normal(size=kernel.shape)
    assert find_forbidden(content, {"teacher/kernel": noise}) == ()


def test_vectors_and_one_by_one_kernels_of_one_channel_prove_nothing():
    content = read_model(chain_int8())
    vectors = {"teacher": [np.ones(4), np.zeros((1, 1, 1, 4)), np.zeros((3, 3, 4, 4))]}
    assert find_forbidden(content, vectors) == ()


def test_a_number_among_the_forbidden_weights_is_passed_over():
    """Normalization counts its samples in one: numpy gives it as a scalar, not as an array."""
    counted = {"teacher/normalization/count": np.float32(700), "teacher/mean": np.ones(3)}
    assert find_forbidden(read_model(TINY), counted) == ()
