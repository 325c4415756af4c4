"""Layers with kernels, fake-quantized: convolutions of all kinds and dense layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from hintlite.models.fake_quant.activations import FakeQuantizedActivation
from hintlite.models.fake_quant.affine import uneven
from hintlite.models.fake_quant.linear import FIRST_OF_TWO, LINEAR
from hintlite.models.fake_quant.ranges import FakeQuantize, Tensor, quantized_kernel

_LEAST_SLOPE = 1e-8  # of a batch normalization: kernels are divided by it


@keras.saving.register_keras_serializable("hintlite")
class FakeQuantizedWeights(keras.layers.Layer):
    """Stands for a layer with kernels, works on its variables, and rounds them where it computes.

    `y = f(b + W~ * x)`, W~ being the rounded kernel. A batch normalization behind it, which the
    file has folded, stays what it is where kernels have one scale a channel: `BN(W~ * x)` is then
    the folded layer exactly, `(s W)~ = s W~`. Kernels with one scale for all are rounded in their
    folded form, `W~ = (s W)~ / s` with s of the moving averages (Jacob et al. 2018, arXiv
    1712.05877, section 3.2).

    Args:
        layer: of LINEAR.
        norm: batch normalization behind a layer with one scale for all; it is computed here.
        finish: settings of the FakeQuantizedActivation behind it.
        bits: of the weights, 8 or 4.
        activation_bits: of the activations.
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        norm: keras.layers.BatchNormalization | None = None,
        finish: dict[str, Any] | None = None,
        bits: int = 8,
        activation_bits: int = 8,
        **kwargs: Any,
    ) -> None:
        # Kernels are read in float32 before they are rounded, whatever the layer computes in.
        super().__init__(autocast=False, **{**kwargs, "dtype": "float32"})
        self.layer, self.norm, self.bits = layer, norm, bits
        self.activation_bits = activation_bits
        self.settings = finish or {"kind": "linear"}
        self.linear = LINEAR[type(layer)]
        self.middle = None
        if type(layer) in FIRST_OF_TWO:
            self.middle = FakeQuantize(bits=activation_bits, name="middle")
        self.finish = FakeQuantizedActivation(**self.settings, bits=activation_bits, name="finish")
        self.built = layer.built and (norm is None or norm.built)

    def build(self, input_shape: Any) -> None:
        """Makes the layer's variables, if it has none yet."""
        if not self.layer.built:
            self.layer.build(input_shape)
        if self.norm is not None and not self.norm.built:
            self.norm.build(self.layer.compute_output_shape(input_shape))

    @property
    def activation(self) -> Any:
        """The function that it applies last."""
        return self.layer.activation

    @property
    def kernel(self) -> Any:
        """The kernel, not rounded; of separable layers the second."""
        return getattr(self.layer, self.linear.kernels[-1])

    @property
    def output_range(self) -> FakeQuantize | None:
        """What rounds the output; None where whoever reads it does."""
        return self.finish.after

    def without_activation(self) -> FakeQuantizedWeights:
        """The same layer over the same variables, without the function that it applies last."""
        settings = {"kind": "linear", "after": False}
        twin = FakeQuantizedWeights(
            self.layer, self.norm, settings, self.bits, self.activation_bits, name=self.name
        )
        twin.finish.after = self.finish.before
        twin.settings = {**settings, "after": self.finish.before is not None}
        return twin

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """As the layer, and its normalization."""
        x = ops.cast(x, self.layer.compute_dtype)
        kernels = [ops.cast(getattr(self.layer, name), "float32") for name in self.linear.kernels]
        slope = None
        if self.norm is not None:
            slope = ops.reshape(_slope(self.norm), self._spread())
            kernels[-1] = kernels[-1] * slope
        rounded = self._rounded(kernels)
        if slope is not None:
            rounded[-1] = rounded[-1] / slope
        bias = self.layer.bias if self.layer.use_bias else None
        y = self._linear(x, rounded, bias, training)
        if self.norm is not None:
            y = self.norm(y, training=training)
        return self.finish(y, training=training)

    def inference(
        self, norm: keras.layers.BatchNormalization | None = None
    ) -> Callable[[Tensor], Tensor]:
        """What the file computes: in float32, a batch normalization folded into the kernel.

        Args:
            norm: that stands behind the layer; its own, if None.

        Returns:
            A function of float32 tensors, with the weights of now.
        """
        kernels = [np.asarray(getattr(self.layer, name)) for name in self.linear.kernels]
        bias = np.asarray(self.layer.bias, np.float64) if self.layer.use_bias else None
        norm = self.norm if norm is None else norm
        if norm is not None:
            slope = np.asarray(_slope(norm), np.float64)
            center = np.asarray(norm.beta, np.float64) if norm.center else 0.0
            bias = ((0.0 if bias is None else bias) - np.asarray(norm.moving_mean)) * slope + center
            kernels[-1] = kernels[-1] * slope.reshape(self._spread())
        stored = None if bias is None else uneven(bias.astype(np.float32))

        def function(x: Tensor) -> Tensor:
            rounded = self._rounded(
                [ops.convert_to_tensor(kernel, "float32") for kernel in kernels]
            )
            return self.finish(self._linear(x, rounded, stored, False), training=False)

        return function

    def _rounded(self, kernels: list[Tensor]) -> list[Tensor]:
        if self.linear.series:
            kernels = [ops.expand_dims(kernel, 0) for kernel in kernels]
        joint = [2] * (len(kernels) - 1) + [len(self.linear.channels)]
        per_channel = self.linear.per_channel
        return [
            quantized_kernel(kernel, self.bits, per_channel, axes)
            for kernel, axes in zip(kernels, joint, strict=True)
        ]

    def _linear(self, x: Tensor, kernels: list[Tensor], bias: Any, training: bool) -> Tensor:
        cast = [ops.cast(kernel, x.dtype) for kernel in kernels]
        if self.middle is not None:
            x = FIRST_OF_TWO[type(self.layer)](self.layer, x, cast[:1])
            x = self.middle(x, training=training)
        y = self.linear.function(self.layer, x, cast[-1:])
        return y if bias is None else ops.add(y, ops.cast(bias, y.dtype))

    def _spread(self) -> tuple[int, ...]:
        """Shape of one number a channel beside the last kernel."""
        shape = [1] * len(self.kernel.shape)
        for axis in self.linear.channels:
            shape[axis] = self.kernel.shape[axis]
        return tuple(shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As the layer."""
        return self.layer.compute_output_shape(input_shape)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FakeQuantizedWeights:
        """What `get_config` tells of."""
        read = keras.saving.deserialize_keras_object
        norm = config.pop("norm")
        return cls(read(config.pop("layer")), norm and read(norm), **config)

    def get_config(self) -> dict[str, Any]:
        """What makes the same layer again, its variables aside."""
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self.layer),
            "norm": None if self.norm is None else keras.saving.serialize_keras_object(self.norm),
            "finish": self.settings,
            "bits": self.bits,
            "activation_bits": self.activation_bits,
        }


def _slope(norm: keras.layers.BatchNormalization) -> Tensor:
    """gamma / sqrt(variance + epsilon) of the moving averages, float32 `[channels]`."""
    variance = ops.cast(norm.moving_variance, "float32")
    slope = ops.rsqrt(variance + norm.epsilon)
    if norm.scale:
        slope = slope * ops.cast(norm.gamma, "float32")
    return ops.where(ops.abs(slope) < _LEAST_SLOPE, _LEAST_SLOPE, slope)
