"""Fast batch normalization against Keras' own layer, which stays the reference."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from hintlite.pipeline.training.batch_norm import FastBatchNorm, with_fast_batch_norm

CHANNELS = (1, 3, 7, 8, 20, 48)  # TensorFlow's kernel for multiples of 8, else rows of places


def built(channels: int, dtype: str = "float32", **settings: object) -> keras.layers.Layer:
    """A normalization whose gamma, beta and averages differ from channel to channel."""
    norm = keras.layers.BatchNormalization(epsilon=1e-2, momentum=0.8, dtype=dtype, **settings)
    norm.build((None, 6, 5, channels))
    rng = np.random.default_rng(channels)
    norm.set_weights([rng.uniform(0.5, 2, weight.shape) for weight in norm.weights])
    return norm


def stepped(layer: keras.layers.Layer, x: np.ndarray, wanted: np.ndarray) -> list[np.ndarray]:
    """Output and gradients of one training step, then all weights after it."""
    x = tf.constant(x, layer.compute_dtype)

    @tf.function
    def step(x: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(tf.cast(y, tf.float32) * wanted)
        return [y, *tape.gradient(loss, [x, *layer.trainable_variables])]

    found = [np.asarray(tf.cast(value, tf.float32)) for value in step(x)]
    return found + [np.asarray(weight) for weight in layer.weights]


def maps(channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs far off zero in some channels, and weights of the output in the loss."""
    rng = np.random.default_rng(0)
    shape = (7, 6, 5, channels)
    offsets = np.linspace(-20, 30, channels)
    return (rng.normal(offsets, 2, shape).astype(np.float32), rng.normal(size=shape))


@pytest.mark.parametrize("channels", CHANNELS)
def test_a_training_step_is_that_of_keras(channels: int) -> None:
    x, wanted = maps(channels)
    theirs = stepped(built(channels), x, wanted)
    ours = stepped(FastBatchNorm(built(channels)), x, wanted)
    for expected, found in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("channels", [7, 32])
@pytest.mark.parametrize("settings", [{"scale": False}, {"center": False}])
def test_layers_without_scale_or_offset(channels: int, settings: dict[str, bool]) -> None:
    x, wanted = maps(channels)
    theirs = stepped(built(channels, **settings), x, wanted)
    ours = stepped(FastBatchNorm(built(channels, **settings)), x, wanted)
    for expected, found in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("channels", [7, 32])
def test_half_precision_keeps_its_statistics_in_single(channels: int) -> None:
    x, wanted = maps(channels)
    x = np.asarray(tf.cast(tf.cast(x, tf.bfloat16), tf.float32))
    exact = stepped(built(channels), x, wanted)
    ours = stepped(FastBatchNorm(built(channels, "mixed_bfloat16")), x, wanted)
    np.testing.assert_allclose(ours[0], exact[0], rtol=1e-2, atol=1e-2)
    for expected, found in zip(exact[-2:], ours[-2:], strict=True):  # the moving averages
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_in_inference_and_frozen_it_is_the_layer_itself() -> None:
    x, _ = maps(8)
    norm = built(8)
    fast, before = FastBatchNorm(norm), [np.array(weight) for weight in norm.weights]
    np.testing.assert_array_equal(fast(x, training=False), norm(x, training=False))
    norm.trainable = False
    np.testing.assert_array_equal(fast(x, training=True), norm(x, training=False))
    for weight, kept in zip(norm.weights, before, strict=True):
        np.testing.assert_array_equal(weight, kept)


def network() -> keras.Model:
    """Two normalized convolutions, two taps, and a normalization of vectors."""
    layers = keras.layers
    image = keras.Input((6, 5, 2))
    x = layers.Conv2D(8, 3, use_bias=False)(image)
    stage = layers.ReLU()(layers.BatchNormalization(gamma_regularizer="l2", name="narrow")(x))
    x = layers.BatchNormalization(name="wide")(layers.Conv2D(32, 3, use_bias=False)(stage))
    x = layers.BatchNormalization(name="vector")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, {"stage": stage, "logits": layers.Dense(3)(x)})


def test_a_network_keeps_outputs_variables_and_penalties() -> None:
    ours = network()
    fast = with_fast_batch_norm(ours)
    kinds = [type(fast.get_layer(name)) for name in ("narrow", "wide", "vector")]
    assert kinds == [FastBatchNorm, FastBatchNorm, keras.layers.BatchNormalization]
    assert {id(v) for v in fast.variables} == {id(v) for v in ours.variables}
    assert {id(v) for v in fast.trainable_variables} == {id(v) for v in ours.trainable_variables}
    x = np.random.default_rng(0).normal(size=(4, 6, 5, 2)).astype(np.float32)
    found, expected = fast(x, training=True), ours(x, training=True)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5)
    assert float(sum(fast.losses)) == pytest.approx(float(sum(ours.losses)))
    assert float(sum(fast.losses)) > 0


def test_other_kinds_of_normalization_are_left_alone() -> None:
    layers = keras.layers
    image = keras.Input((6, 5, 4))
    x = layers.BatchNormalization(axis=1)(image)
    x = layers.BatchNormalization(renorm=True)(layers.LayerNormalization()(x))
    left = keras.Model(image, x)
    assert with_fast_batch_norm(left) is left


@pytest.mark.parametrize("channels", [7, 32])
def test_a_compiled_step_is_the_same(channels: int) -> None:
    x, wanted = maps(channels)
    fast = FastBatchNorm(built(channels))
    plain = stepped(FastBatchNorm(built(channels)), x, wanted)
    compiled = tf.function(lambda x: fast(x, training=True), jit_compile=True)(tf.constant(x))
    # XLA takes the variance as a difference of two means, which is coarser far off zero.
    np.testing.assert_allclose(compiled, plain[0], rtol=1e-3, atol=1e-3)
