"""Networks for the tests of quantization-aware fine-tuning."""

import keras
import numpy as np

from hintlite.models.settings import MaxoutLayer, NetworkConfig
from hintlite.models.student import build_student
from hintlite.models.taps import logits_only

SHAPE, CLASSES = (8, 8, 1), 10


def every_layer():
    """Small, with every layer that can be carried over, as if it had been trained."""
    layers = keras.layers
    keras.backend.clear_session()  # layers are named alike each time
    keras.utils.set_random_seed(5)
    image = keras.Input(SHAPE)
    x = layers.Rescaling(2.0, -1.0)(image)
    x = layers.Conv2D(6, 3, padding="same", use_bias=False, name="first")(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.LeakyReLU(0.1)(layers.Conv2D(6, 1)(x))
    separable = layers.SeparableConv2D(6, 3, padding="same", activation="relu")(x)
    x = layers.Activation("hard_swish")(layers.Add()([x, separable]))
    x = layers.BatchNormalization(name="lone")(x)
    x = layers.Concatenate()([x, layers.Conv2D(2, 1, activation="relu6")(x)])
    x = layers.MaxPooling2D(2)(layers.Cropping2D(1)(layers.ZeroPadding2D(2)(x)))
    x = layers.Maximum()([layers.Conv2D(8, 1)(x), layers.Conv2D(8, 1)(x)])
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(8, 1, activation="sigmoid")(gate)
    x = layers.Multiply()([x, gate])
    pooled = layers.AveragePooling2D(2, name="pooled")(x)
    x = layers.Concatenate(name="beside")([pooled, layers.Conv2D(2, 1)(pooled)])
    x = layers.SpatialDropout2D(0.1)(x)
    x = layers.Dropout(0.1)(layers.Dense(16, activation="relu")(layers.Flatten()(x)))
    model = keras.Model(image, layers.Dense(CLASSES, activation="softmax")(x))
    model.layers[-1].kernel.assign(20 * model.layers[-1].kernel)  # outputs that tell images apart
    return with_statistics(model)


def with_statistics(model):
    """Moves every batch normalization away from the identity that it starts as."""
    random = np.random.default_rng(7)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            n = layer.gamma.shape[0]
            layer.set_weights(
                [
                    random.uniform(0.5, 1.5, n) * random.choice([-1, 1], n),
                    random.normal(0, 0.2, n),
                    random.normal(0, 0.2, n),
                    random.uniform(0.5, 2.0, n),
                ]
            )
    return model


def maxout_student():
    """A FitNet in small, input to logits."""
    keras.utils.set_random_seed(6)
    layers = (MaxoutLayer(6, pool=2), MaxoutLayer(8, pieces=3, pool=2))
    config = NetworkConfig(family="fitnet", layers=layers, fc_units=16)
    return logits_only(build_student(config, SHAPE, CLASSES))


def tiny():
    """One convolution with batch normalization, whose averages follow a few steps, and a Dense."""
    keras.utils.set_random_seed(8)
    layers = keras.layers
    image = keras.Input(SHAPE)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False)(image)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.5)(x))
    return keras.Model(image, layers.Dense(CLASSES)(layers.Flatten()(x)))
