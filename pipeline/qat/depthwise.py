"""Fake quantization of depthwise kernels with a range for each channel, as TFLite files have them.

tfmot's own quantizer for convolutions takes a range for each index of the last axis. That of a
depthwise kernel, [h, w, channels, multiplier], is the multiplier: all channels would share a range
in the fine-tuning, while the file has a scale for each (TFLite's quantization specification:
DEPTHWISE_CONV_2D, input 1, quantized_dimension = 3 of [1, h, w, channels * multiplier]).
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantize_layout_transform,
    default_8bit_quantize_registry,
    default_8bit_quantize_scheme,
    default_8bit_quantizers,
)


class DepthwiseQuantizer(default_8bit_quantizers.Default8BitConvWeightsQuantizer):
    """Symmetric, narrow range, 8 bits, for each of the channels * multiplier output channels."""

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """Adds the range variables, [channels * multiplier] each.

        Args:
            tensor_shape: (h, w, channels, multiplier).
            name: of the kernel.
            layer: the wrapper that owns the variables.
        """
        return super().build((tensor_shape[-2] * tensor_shape[-1],), name, layer)

    def __call__(self, inputs: Any, training: Any, weights: dict[str, Any], **kwargs: Any) -> Any:
        """Quantizes in the file's layout, [1, h, w, channels * multiplier].

        Args:
            inputs: the kernel, [h, w, channels, multiplier].
            training: whether the ranges follow the kernel.
            weights: from `build`.

        Returns:
            [h, w, channels, multiplier]
        """
        height, width, channels, multiplier = inputs.shape
        rows = tf.reshape(inputs, (1, height, width, channels * multiplier))
        return tf.reshape(super().__call__(rows, training, weights, **kwargs), inputs.shape)


class DepthwiseConfig(default_8bit_quantize_registry.Default8BitConvQuantizeConfig):
    """tfmot's config of a convolution with `DepthwiseQuantizer`."""

    def __init__(
        self, weight_attrs: list[str], activation_attrs: list[str], quantize_output: bool
    ) -> None:
        super().__init__(weight_attrs, activation_attrs, quantize_output)
        self.weight_quantizer = DepthwiseQuantizer()


class _Layout(default_8bit_quantize_layout_transform.Default8BitQuantizeLayoutTransform):
    """tfmot's patterns, and after them a `DepthwiseConfig` for each depthwise convolution.

    After them, because a convolution that has a config of its own before is left out of the
    patterns with batch normalization and ReLU; here and not in a registry, because the pattern
    with Concatenate asks tfmot's own registry.
    """

    def apply(self, model: tf_keras.Model, layer_quantize_map: dict[str, Any]) -> Any:
        model, configs = super().apply(model, layer_quantize_map)
        for layer in model.layers:
            found = configs.get(layer.name)
            if found is None or not isinstance(layer, tf_keras.layers.DepthwiseConv2D):
                continue
            if not isinstance(found.get("quantize_config"), DepthwiseConfig):
                found["quantize_config"] = DepthwiseConfig(
                    ["depthwise_kernel"], ["activation"], False
                )
        return model, configs


class Scheme(default_8bit_quantize_scheme.Default8BitQuantizeScheme):
    """tfmot's 8-bit scheme with depthwise kernels quantized channel by channel."""

    def get_layout_transformer(self) -> _Layout:
        """What prepares the network for its quantizers."""
        return _Layout()
