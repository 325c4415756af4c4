"""Batch normalization in fewer and faster operations while training.

Keras computes it from single operations with broadcasts over the innermost axis, which take a large
part of a thin network's training step on a CPU. Here the same formula runs in one of two ways.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

# Narrow maps are seen as rows of about so many numbers: several places side by side.
ROW = 256
# From here on TensorFlow's own kernel is the faster one, where its vectors are filled.
KERNEL_CHANNELS, VECTOR = 32, 16


def with_fast_batch_norm(network: keras.Model) -> keras.Model:
    """The same network with its batch normalizations computed by FastBatchNorm.

    Args:
        network: functional model; it is not changed.

    Returns:
        Functional model over the same layers and variables; normalizations that FastBatchNorm
        cannot stand for, and those inside nested models, are the network's own.
    """

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        return FastBatchNorm(layer) if _is_supported(layer) else layer

    if not any(_is_supported(layer) for layer in network.layers):
        return network
    return keras.models.clone_model(network, clone_function=clone)


class FastBatchNorm(keras.layers.Layer):
    """Stands for a batch normalization and works on its variables (Ioffe & Szegedy 2015).

    In training, with the mean m and the variance v of each channel over the batch:
    `y = gamma * (x - m) / sqrt(v + epsilon) + beta`, and m and v move the layer's averages; as
    Keras does, v is the mean square, not corrected for the number of samples. In inference, and
    where the layer is frozen, it is the layer itself that computes.

    Args:
        norm: built layer over the last axis of a map `[batch, h, w, c]`.
    """

    def __init__(self, norm: keras.layers.BatchNormalization) -> None:
        super().__init__(name=norm.name, dtype=norm.dtype_policy)
        self.norm = norm
        self.built = True

    def call(self, x: Any, training: bool = False, mask: Any = None) -> Any:
        """`[batch, h, w, c]` -> the same shape."""
        norm = self.norm
        if not (training and norm.trainable):
            return norm(x, training=False, mask=mask)
        gamma = tf.convert_to_tensor(norm.gamma) if norm.scale else tf.ones(x.shape[-1])
        beta = tf.convert_to_tensor(norm.beta) if norm.center else tf.zeros(x.shape[-1])
        channels = x.shape[-1]
        whole = channels >= KERNEL_CHANNELS and channels % VECTOR == 0
        normalize = _by_kernel if whole else _in_rows
        y, mean, variance = normalize(x, gamma, beta, norm.epsilon)
        for moving, value in ((norm.moving_mean, mean), (norm.moving_variance, variance)):
            moving.assign(moving * norm.momentum + value * (1.0 - norm.momentum))
        y.set_shape(x.shape)
        return y


def _is_supported(layer: Any) -> bool:
    return (
        type(layer) is keras.layers.BatchNormalization
        and layer.axis in (-1, 3)
        and not (layer.renorm or layer.synchronized)
        and layer.built
        and len(layer.input_spec.axes) == 1
        and layer.input_spec.ndim == 4
        and layer.compute_dtype in ("float32", "bfloat16", "float16")
    )


def _by_kernel(x: Any, gamma: Any, beta: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """TensorFlow's kernel; it gives the unbiased variance, which is turned into Keras' own."""
    none = tf.zeros([0])
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=gamma,
        offset=beta,
        mean=none,
        variance=none,
        epsilon=epsilon,
        exponential_avg_factor=1.0,
        is_training=True,
    )
    count = tf.cast(tf.size(x) // tf.size(gamma), tf.float32)
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
    _, height, width, channels = shape
    if height is None or width is None:
        return 1
    places = height * width
    most = max(1, ROW // channels)
    return max(n for n in range(1, most + 1) if places % n == 0)
