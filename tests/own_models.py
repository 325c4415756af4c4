"""A caller's own teacher, student and samples, as small as they can be."""

import numpy as np

CLASSES = 3


def samples(count=48, seed=0, dtype=np.float32):
    """Images `[n, 6, 6, 1]` from 0 to 1 whose bright row tells their class, and labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    images = rng.uniform(0, 0.3, (count, 6, 6, 1))
    images[np.arange(count), 1 + labels] += 0.7
    if dtype == np.uint8:
        return np.rint(images * 255).astype(np.uint8), labels
    return images.astype(dtype), labels


def classifier(channels, names, softmax=True, first=()):
    """Two convolutions of the caller's own names, pooled to three classes."""
    import keras

    inputs = keras.Input((6, 6, 1))
    x = inputs
    for layer in first:
        x = layer(x)
    for width, name in zip(channels, names, strict=True):
        x = keras.layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.ReLU(name=name)(x)
    x = keras.layers.Flatten()(x)
    outputs = keras.layers.Dense(CLASSES, activation="softmax" if softmax else None)(x)
    return keras.Model(inputs, outputs)


def trained_teacher(softmax=True):
    """A teacher that has learned its samples."""
    import keras

    keras.utils.set_random_seed(5)
    teacher = classifier((6, 8), ("block1", "block2"), softmax)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=not softmax)
    teacher.compile(keras.optimizers.Adam(0.02), loss)
    teacher.fit(*samples(), epochs=6, batch_size=16, verbose=0)
    return teacher


def student(softmax=True):
    """A thinner one."""
    import keras

    keras.utils.set_random_seed(6)
    return classifier((3, 4), ("thin1", "thin2"), softmax)
