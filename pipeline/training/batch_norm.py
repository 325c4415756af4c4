"""Batch normalization in fewer and faster operations while training.

Keras computes it from single operations with broadcasts over the innermost axis, which take a large
part of a thin network's training step on a CPU. Here the same formula runs in one of two ways.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from hintlite.pipeline.training.norm_rows import normalize


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
        norm: built layer over the last axis of a map `[batch, h, w, c]` or `[batch, time, c]`.
    """

    def __init__(self, norm: keras.layers.BatchNormalization) -> None:
        super().__init__(name=norm.name, dtype=norm.dtype_policy)
        self.norm = norm
        self.built = True

    def call(self, x: Any, training: bool = False, mask: Any = None) -> Any:
        """A map -> the same shape."""
        norm = self.norm
        if not (training and norm.trainable):
            return norm(x, training=False, mask=mask)
        gamma = tf.convert_to_tensor(norm.gamma) if norm.scale else tf.ones(x.shape[-1])
        beta = tf.convert_to_tensor(norm.beta) if norm.center else tf.zeros(x.shape[-1])
        y, mean, variance = normalize(x, gamma, beta, norm.epsilon)
        for moving, value in ((norm.moving_mean, mean), (norm.moving_variance, variance)):
            moving.assign(moving * norm.momentum + value * (1.0 - norm.momentum))
        return y


def _is_supported(layer: Any) -> bool:
    return (
        type(layer) is keras.layers.BatchNormalization
        and not (layer.renorm or layer.synchronized)
        and layer.built
        and len(layer.input_spec.axes) == 1
        and layer.input_spec.ndim in (3, 4)
        and layer.axis in (-1, layer.input_spec.ndim - 1)
        and layer.compute_dtype in ("float32", "bfloat16", "float16")
    )
