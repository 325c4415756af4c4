"""The arithmetic of batch normalization while training, arranged for a CPU.

Without a Keras: the student's training (Keras 3) and the fine-tuning with quantization (Keras 2)
share it. Maps of few channels, whose innermost axis would fill a fraction of a vector, are seen as
rows that hold several places of the map side by side.
"""

from __future__ import annotations

from math import prod
from typing import Any

import tensorflow as tf

# Narrow maps are seen as rows of about so many numbers: several places side by side.
ROW = 256
# TensorFlow's own kernel is the faster one where channels fill its vectors.
VECTOR = 8


def normalize(x: Any, gamma: Any, beta: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """`y = gamma * (x - m) / sqrt(v + epsilon) + beta` (Ioffe & Szegedy 2015, algorithm 1).

    Args:
        x: `[batch, h, w, c]` or `[batch, time, c]`, of known sizes but for the batch.
        gamma: float32 `[c]`.
        beta: float32 `[c]`.
        epsilon: added to the variance.

    Returns:
        y in the shape and type of x, and m and v, float32 `[c]`: mean and mean square deviation of
        each channel over the batch, not corrected for the number of samples.
    """
    fills_vectors = x.shape[-1] % VECTOR == 0
    y, mean, variance = (_by_kernel if fills_vectors else _in_rows)(x, gamma, beta, epsilon)
    y.set_shape(x.shape)
    return y, mean, variance


def scale_and_shift(x: Any, slope: Any, offset: Any) -> Any:
    """`slope * x + offset`, channel by channel: batch normalization that is frozen.

    Args:
        x: `[batch, h, w, c]` or `[batch, time, c]`, of known sizes but for the batch.
        slope: `[c]`, of x's type.
        offset: `[c]`, of x's type.
    """
    places = _places_in_a_row(x.shape)
    rows = tf.reshape(x, [-1, places * x.shape[-1]])
    y = tf.reshape(rows * tf.tile(slope, [places]) + tf.tile(offset, [places]), tf.shape(x))
    y.set_shape(x.shape)
    return y


def _by_kernel(x: Any, gamma: Any, beta: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """TensorFlow's kernel; it gives the unbiased variance, which is turned into Keras' own."""
    none = tf.zeros([0])
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x if len(x.shape) == 4 else x[:, tf.newaxis],
        scale=gamma,
        offset=beta,
        mean=none,
        variance=none,
        epsilon=epsilon,
        exponential_avg_factor=1.0,
        is_training=True,
    )
    count = tf.cast(tf.size(x) // tf.size(gamma), tf.float32)
    y = y if len(x.shape) == 4 else y[:, 0]
    return y, mean, variance * (count - 1.0) / count


def _in_rows(x: Any, gamma: Any, beta: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """On rows that hold several places of the map, so that no operation runs over few channels."""
    places = _places_in_a_row(x.shape)

    def fold(columns: Any) -> Any:
        return tf.reduce_sum(tf.reshape(columns, [places, -1]), axis=0)

    def spread(values: Any) -> Any:
        return tf.tile(values, [places])

    @tf.custom_gradient
    def normalize(x: Any, gamma: Any, beta: Any) -> tuple[Any, Any]:
        rows = tf.reshape(tf.cast(x, tf.float32), [-1, places * x.shape[-1]])
        count = tf.cast(tf.shape(rows)[0] * places, tf.float32)
        mean = fold(tf.reduce_sum(rows, axis=0)) / count
        centred = rows - spread(mean)
        variance = fold(tf.reduce_sum(tf.square(centred), axis=0)) / count
        inverse = tf.math.rsqrt(variance + epsilon)
        y = centred * spread(gamma * inverse) + spread(beta)

        def gradient(of_y: Any, _of_mean: Any, _of_variance: Any) -> tuple[Any, Any, Any]:
            # With n the count: dx = gamma * inverse * (g - sum(g) / n - centred * inverse^2
            # * sum(g * centred) / n), from the chain rule through m and v.
            g = tf.reshape(tf.cast(of_y, tf.float32), tf.shape(rows))
            of_beta = fold(tf.reduce_sum(g, axis=0))
            of_gamma = fold(tf.reduce_sum(g * centred, axis=0)) * inverse
            scale = gamma * inverse
            of_rows = g * spread(scale) + (
                centred * spread(-scale * inverse * of_gamma / count)
                + spread(-scale * of_beta / count)
            )
            return tf.cast(tf.reshape(of_rows, tf.shape(x)), x.dtype), of_gamma, of_beta

        return (tf.cast(tf.reshape(y, tf.shape(x)), x.dtype), mean, variance), gradient

    return normalize(x, gamma, beta)


def _places_in_a_row(shape: tuple[int, ...]) -> int:
    """The largest divisor of the map's places that keeps a row within ROW numbers."""
    *sizes, channels = shape[1:]
    if None in sizes:
        return 1
    places = prod(sizes)
    most = max(1, ROW // channels)
    return max(n for n in range(1, most + 1) if places % n == 0)
