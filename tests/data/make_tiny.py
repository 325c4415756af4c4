"""Makes tiny_int8.tflite, the smallest useful full-INT8 classifier, for the tests of benchmarks.

    python tests/data/make_tiny.py

An 8x8x1 input, one 3x3 convolution with ReLU, a global average and 4 logits, with seeded random
weights; int8 input and output. The converter is free to write other bytes in another version of
TensorFlow: the tests read the file's hash from the file itself.
"""

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf


def build_network() -> keras.Model:
    """The network with seeded weights."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1), batch_size=1)
    features = keras.layers.Conv2D(4, 3, activation="relu", bias_initializer="normal")(image)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    return keras.Model(image, keras.layers.Dense(4)(pooled))


def calibration() -> Iterator[list[np.ndarray]]:
    """Seeded inputs in 0 to 1, as the samples of a bundle are after normalization."""
    generator = np.random.default_rng(0)
    for _ in range(32):
        yield [generator.random((1, 8, 8, 1), np.float32)]


def convert(network: keras.Model) -> bytes:
    """The full-INT8 file with a batch of one."""
    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = calibration
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


if __name__ == "__main__":
    Path(__file__).with_name("tiny_int8.tflite").write_bytes(convert(build_network()))
