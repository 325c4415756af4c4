"""Tiny networks and data for the tests of deploy/."""

import functools

import numpy as np

SHAPE = (8, 8, 2)
CLASSES = 4


def calibration(samples=40, seed=0):
    """Noise around a level of its own for each sample and channel, so that the classes differ."""
    rng = np.random.default_rng(seed)
    levels = rng.normal(scale=2.0, size=(samples, 1, 1, SHAPE[-1]))
    return (levels + rng.normal(size=(samples, *SHAPE))).astype(np.float32)


def randomize(model, seed=0):
    """Weights and batch-norm statistics as after a training, so that folding matters."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        name = variable.path.rsplit("/", 1)[-1]
        if name == "moving_variance":
            variable.assign(rng.uniform(0.5, 2.0, variable.shape))
        elif name == "gamma":
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif name in {"bias", "beta", "moving_mean"}:
            variable.assign(rng.normal(scale=0.2, size=variable.shape))
        else:
            fan_in = np.prod(variable.shape[:-1])
            variable.assign(rng.normal(scale=fan_in**-0.5, size=variable.shape))
    return model


@functools.cache
def chain():
    """Three convolutions in a row, the last two of equal shape: 8x8x2 -> 4 logits."""
    import keras
    from keras import layers

    x = inputs = keras.Input(SHAPE)
    for number, filters in enumerate((4, 4, 4)):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"conv{number}")(x)
        x = layers.BatchNormalization(name=f"bn{number}")(x)
        x = layers.ReLU(name=f"relu{number}")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return with_balanced_classes(
        randomize(keras.Model(inputs, layers.Dense(CLASSES, name="head")(x)))
    )


def with_balanced_classes(model):
    """Logits of mean 0 and deviation 3, so that every class is chosen now and then."""
    head = model.get_layer("head")
    logits = model.predict(calibration(200), verbose=0)
    scale = 3.0 / logits.std(axis=0)
    head.set_weights([head.kernel.numpy() * scale, (head.bias.numpy() - logits.mean(0)) * scale])
    return model


@functools.cache
def every_layer():
    """Each layer that the project's networks use, in one network."""
    import keras
    from keras import layers

    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(6, 3, padding="same", use_bias=False)(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    pieces = [layers.Conv2D(6, 3, padding="same")(x) for _ in range(2)]
    x = layers.ReLU(max_value=6.0)(layers.Add()([x, layers.Maximum()(pieces)]))
    x = layers.MaxPooling2D(2)(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.ReLU(max_value=6.0)(layers.BatchNormalization()(x))
    x = layers.AveragePooling2D(2)(layers.Conv2D(8, 1)(x))
    flat = layers.Dense(8, activation="relu")(layers.Flatten()(x))
    flat = layers.Reshape((8,))(layers.Reshape((2, 4))(flat))
    x = layers.Concatenate()([flat, layers.GlobalAveragePooling2D()(x)])
    return randomize(keras.Model(inputs, layers.Dense(CLASSES)(layers.Dropout(0.2)(x))))


def with_layer(layer):
    """conv -> the given layer -> pool -> dense."""
    import keras
    from keras import layers

    inputs = keras.Input(SHAPE)
    x = layer(layers.Conv2D(4, 3, padding="same", name="before")(inputs))
    x = layers.GlobalAveragePooling2D()(x)
    return randomize(keras.Model(inputs, layers.Dense(CLASSES)(x)))


@functools.cache
def chain_float32():
    from hintlite.deploy.convert.convert import to_float32

    return to_float32(chain())


@functools.cache
def chain_int8():
    from hintlite.deploy.convert.convert import to_int8

    return to_int8(chain(), calibration(200))
