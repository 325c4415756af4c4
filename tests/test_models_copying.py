"""Weights taken over with what layers derive from them."""

import keras
import numpy as np

from hintlite.models.copying import copy_weights
from hintlite.models.equalize import equalized
from hintlite.pipeline.training.drop_regressor import in_float32


def adapted(dtype="float32"):
    """A Normalization that has learned mean and deviation, within a nested model, and a Dense."""
    norm = keras.layers.Normalization(dtype=dtype)
    norm.adapt(np.random.default_rng(0).normal(100, 20, (50, 4, 4, 3)).astype("float32"))
    front = keras.Sequential([keras.Input((4, 4, 3)), norm])
    image = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(2, 3, dtype=dtype)(front(image))
    return keras.Model(image, keras.layers.Flatten()(x))


IMAGES = np.random.default_rng(1).normal(100, 20, (5, 4, 4, 3)).astype("float32")


def test_a_normalization_in_a_copy_computes_what_the_original_does():
    model = adapted()
    copy = copy_weights(model, keras.models.clone_model(model, recursive=True))
    np.testing.assert_allclose(copy(IMAGES), model(IMAGES), atol=1e-6)
    assert np.ptp(model(IMAGES)) < 20  # normalized: the values are no longer around 100


def test_the_copies_that_are_made_on_the_way_do_so_too():
    half = adapted("mixed_float16")
    np.testing.assert_allclose(in_float32(half)(IMAGES), half(IMAGES), atol=0.05)
    model = adapted()
    np.testing.assert_allclose(equalized(model)[0](IMAGES), model(IMAGES), atol=1e-5)
