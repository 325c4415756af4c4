"""Batch normalization in the fine-tuning, against the layer of tf_keras itself."""

import numpy as np
import pytest

SHAPE = (7, 6, 5)


def network(channels, **settings):
    """A normalization between two multiplications, with gammas, averages, ... of its own."""
    import tf_keras

    inputs = tf_keras.Input((*SHAPE[1:], channels))
    norm = tf_keras.layers.BatchNormalization(epsilon=1e-2, momentum=0.8, **settings)
    model = tf_keras.Model(inputs, norm(inputs))
    rng = np.random.default_rng(channels)
    norm.set_weights([rng.uniform(0.5, 2, weight.shape) for weight in norm.weights])
    return model


def maps(channels):
    rng = np.random.default_rng(0)
    shape = (*SHAPE, channels)
    offsets = np.linspace(-20, 30, channels)
    return rng.normal(offsets, 2, shape).astype(np.float32), rng.normal(size=shape)


def stepped(model, channels):
    """Output and gradients of one training step, then the averages after it."""
    import tensorflow as tf

    x, wanted = maps(channels)
    x = tf.constant(x)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = model(x, training=True)
            loss = tf.reduce_sum(y * tf.constant(wanted, tf.float32))
        return [y, *tape.gradient(loss, [x, *model.trainable_variables])]

    found = [value.numpy() for value in step()]
    norm = model.layers[-1]
    return found, norm.moving_mean.numpy(), norm.moving_variance.numpy()


@pytest.mark.parametrize("channels", [1, 7, 20, 48])
@pytest.mark.parametrize("settings", [{}, {"scale": False}, {"center": False}])
def test_a_training_step_is_that_of_keras(channels, settings):
    from hintlite.pipeline.qat.fast_norm import with_fast_norm

    expected, mean, theirs = stepped(network(channels, **settings), channels)
    fast = with_fast_norm(network(channels, **settings))
    found, our_mean, ours = stepped(fast, channels)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose(our_mean, mean, rtol=1e-5)
    # Keras 2 corrects for the number of samples n, here 210: n / (n - 1).
    n = np.prod(SHAPE)
    before = network(channels, **settings).layers[-1].moving_variance.numpy()
    step = (ours - 0.8 * before) / 0.2
    np.testing.assert_allclose((theirs - 0.8 * before) / 0.2, step * n / (n - 1), rtol=1e-4)


@pytest.mark.parametrize("channels", [7, 48])
def test_a_frozen_one_keeps_its_averages_and_passes_gradients_on(channels):
    from hintlite.pipeline.qat.fast_norm import with_fast_norm

    def frozen():
        model = network(channels)
        model.layers[-1].trainable = False
        return model

    expected, *before = stepped(frozen(), channels)
    found, *after = stepped(with_fast_norm(frozen()), channels)
    assert len(found) == 2  # the output, and the gradient of the input alone
    np.testing.assert_array_equal(after, before)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, rtol=2e-4, atol=2e-4)


def test_in_inference_nothing_is_changed():
    from hintlite.pipeline.qat.fast_norm import with_fast_norm

    x, _ = maps(7)
    expected = network(7)(x, training=False)
    np.testing.assert_array_equal(with_fast_norm(network(7))(x, training=False), expected)


def test_tensorflows_own_kernel_runs_where_channels_fill_vectors():
    import tensorflow as tf

    from hintlite.pipeline.qat.fast_norm import with_fast_norm

    def kernels(model, channels):
        x = tf.constant(maps(channels)[0])
        graph = tf.function(lambda: model(x, training=True)).get_concrete_function().graph
        return [op.type for op in graph.get_operations() if "FusedBatchNorm" in op.type]

    assert kernels(network(7), 7)
    assert not kernels(with_fast_norm(network(7)), 7)
    assert kernels(with_fast_norm(network(48)), 48)
