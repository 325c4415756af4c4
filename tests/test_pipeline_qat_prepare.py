"""What a network computes in double precision, for the comparison with its tf_keras twin."""

import keras
import numpy as np

from hintlite.pipeline.qat.prepare import exact_outputs


def network():
    """Layers, a layer with settings of its own, and operators between maps and numbers."""
    keras.utils.set_random_seed(3)
    image = keras.Input((6, 6, 1))
    x = keras.layers.Conv2D(4, 3, name="conv")(image)
    x = x * keras.layers.ReLU(6.0)(x + 3.0)
    x = keras.layers.GlobalAveragePooling2D()(x * (1.0 / 6.0))
    return keras.Model(image, keras.layers.Dense(3)(x))


def test_operators_are_carried_into_double_precision_as_layers_are():
    model = network()
    images = np.random.default_rng(0).normal(size=(5, 6, 6, 1)).astype(np.float32)

    found = exact_outputs(model, images)

    kernel, bias = (w.astype(np.float64) for w in model.get_layer("conv").get_weights())
    windows = np.lib.stride_tricks.sliding_window_view(images[..., 0], (3, 3), axis=(1, 2))
    x = np.einsum("nhwij,ijc->nhwc", windows.astype(np.float64), kernel[:, :, 0]) + bias
    x = x * np.clip(x + 3.0, 0.0, 6.0) / 6.0
    weights, offset = (w.astype(np.float64) for w in model.layers[-1].get_weights())
    expected = x.mean(axis=(1, 2)) @ weights + offset
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_an_adapted_normalization_keeps_its_statistics_in_double_precision():
    norm = keras.layers.Normalization()
    norm.adapt(np.random.default_rng(0).normal(100, 20, (50, 6, 6, 1)).astype(np.float32))
    image = keras.Input((6, 6, 1))
    model = keras.Sequential([image, norm, keras.layers.Flatten()])
    images = np.random.default_rng(5).normal(100, 20, (5, 6, 6, 1)).astype(np.float32)
    mean, variance = (np.asarray(value, np.float64) for value in (norm.mean, norm.variance))
    expected = ((images - mean) / np.sqrt(variance)).reshape(5, -1)
    np.testing.assert_allclose(exact_outputs(model, images), expected, rtol=1e-9, atol=1e-9)
