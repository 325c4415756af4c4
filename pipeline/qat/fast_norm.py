"""Batch normalization of Keras 2 in the arithmetic of training/norm_rows.py, while training.

Where channels do not fill vectors, TensorFlow's kernel for it, which `tf_keras` takes, is several
times slower than the convolutions of a thin network: its gradient alone was two thirds of a step.
Frozen, it is a multiplication and an addition, whatever the channels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from hintlite.pipeline.qat.trained import inner
from hintlite.pipeline.training.norm_rows import normalize, scale_and_shift


def with_fast_norm(model: tf_keras.Model) -> tf_keras.Model:
    """The same model; where `training` is True its batch normalizations compute as told above.

    In inference, and so in what is converted, they are what they were. As in Keras 3, and unlike
    TensorFlow's kernel, the moving variance is not corrected for the number of samples.

    Args:
        model: with or without fake quantization; its layers are changed.
    """
    for layer in model.layers:
        norm = inner(layer)
        if _is_supported(norm):
            norm.call = _call_of(norm, norm.call)
    return model


def _is_supported(layer: Any) -> bool:
    """Over the channels of a map whose size is known."""
    return (
        isinstance(layer, tf_keras.layers.BatchNormalization)
        and list(layer.axis) == [3]
        and not (layer.renorm or layer.virtual_batch_size)
        and None not in layer.input_spec.axes.values()
        and layer.compute_dtype == "float32"
    )


def _call_of(norm: Any, inference: Callable[..., Any]) -> Callable[..., Any]:
    def call(inputs: Any, training: Any = None) -> Any:
        if training is not True or None in inputs.shape[1:]:
            return inference(inputs, training=training)
        return _trained(norm, inputs) if norm.trainable else _frozen(norm, inputs)

    return call


def _trained(norm: Any, x: Any) -> Any:
    gamma, beta = _gamma_and_beta(norm)
    y, mean, variance = normalize(x, gamma, beta, norm.epsilon)
    for moving, value in ((norm.moving_mean, mean), (norm.moving_variance, variance)):
        moving.assign(moving * norm.momentum + value * (1.0 - norm.momentum))
    return y


def _frozen(norm: Any, x: Any) -> Any:
    gamma, beta = _gamma_and_beta(norm)
    slope = gamma * tf.math.rsqrt(norm.moving_variance + norm.epsilon)
    offset = beta - slope * norm.moving_mean
    # Without the gradients that nobody asks for: sums over the whole map.
    return scale_and_shift(x, tf.stop_gradient(slope), tf.stop_gradient(offset))


def _gamma_and_beta(norm: Any) -> tuple[Any, Any]:
    channels = norm.moving_mean.shape
    gamma = tf.convert_to_tensor(norm.gamma) if norm.scale else tf.ones(channels)
    return gamma, tf.convert_to_tensor(norm.beta) if norm.center else tf.zeros(channels)
