"""What layers with kernels compute, with kernels that are handed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from hintlite.models.fake_quant.ranges import Tensor

Function = Callable[[Any, Tensor, Sequence[Tensor]], Tensor]


@dataclass(frozen=True)
class Linear:
    """How one kind of layer is computed and quantized.

    Attributes:
        function: (layer, x, kernels) -> y, without bias.
        kernels: names of the layer's kernels, in the order in which they are applied.
        series: whether kernels and maps of `[batch, time, c]` get an axis of height 1.
        per_channel: whether TFLite's converter takes one scale a channel for its fake-quantized
            kernels.
        channels: axes of the last kernel that hold the output's channels.
        bits: of the weights that TFLite has kernels for.
    """

    function: Function
    kernels: tuple[str, ...] = ("kernel",)
    series: bool = False
    per_channel: bool = True
    channels: tuple[int, ...] = (-1,)
    bits: tuple[int, ...] = (8, 4)


def _convolution(layer: Any, x: Tensor, kernels: Sequence[Tensor]) -> Tensor:
    return ops.conv(x, kernels[0], **_settings(layer))


def _depthwise(layer: Any, x: Tensor, kernels: Sequence[Tensor]) -> Tensor:
    return ops.depthwise_conv(x, kernels[0], **_settings(layer))


def _transposed(layer: Any, x: Tensor, kernels: Sequence[Tensor]) -> Tensor:
    more = {"output_padding": layer.output_padding}
    return ops.conv_transpose(x, kernels[0], **_settings(layer), **more)


def _pointwise(_layer: Any, x: Tensor, kernels: Sequence[Tensor]) -> Tensor:
    return ops.conv(x, kernels[0], strides=1, padding="valid", data_format="channels_last")


def _dense(_layer: Any, x: Tensor, kernels: Sequence[Tensor]) -> Tensor:
    return ops.matmul(x, kernels[0])


def _settings(layer: Any) -> dict[str, Any]:
    return {
        "strides": tuple(layer.strides),
        "padding": layer.padding,
        "data_format": layer.data_format,
        "dilation_rate": layer.dilation_rate,
    }


def _of_series(operation: Callable[..., Tensor], alike: bool = False) -> Function:
    """The layer on series `[batch, time, c]` as one on pictures of height 1, kernels too.

    The converter quantizes a convolution of pictures per channel, that of series not.

    Args:
        operation: on pictures.
        alike: whether both strides must be the same.
    """

    def function(layer: Any, x: Tensor, kernels: Sequence[Tensor]) -> Tensor:
        stride, dilation = layer.strides[0], layer.dilation_rate[0]
        padding = layer.padding
        if padding == "causal":
            x = ops.pad(x, [[0, 0], [dilation * (layer.kernel_size[0] - 1), 0], [0, 0]])
            padding = "valid"
        y = operation(
            ops.expand_dims(x, 1),
            kernels[0],
            strides=(stride if alike else 1, stride),
            padding=padding,
            data_format="channels_last",
            dilation_rate=(1, dilation),
        )
        return ops.squeeze(y, 1)

    return function


def _pointwise_of_series(_layer: Any, x: Tensor, kernels: Sequence[Tensor]) -> Tensor:
    return ops.squeeze(_pointwise(_layer, ops.expand_dims(x, 1), kernels), 1)


_conv1d, _depthwise1d = _of_series(ops.conv), _of_series(ops.depthwise_conv, alike=True)
_SEPARABLE = ("depthwise_kernel", "pointwise_kernel")

# Separable layers are two, with a rounding between: see `weights.py`.
LINEAR: dict[type, Linear] = {
    keras.layers.Conv1D: Linear(_conv1d, series=True),
    keras.layers.Conv2D: Linear(_convolution),
    keras.layers.DepthwiseConv1D: Linear(_depthwise1d, series=True, channels=(-2, -1)),
    keras.layers.DepthwiseConv2D: Linear(_depthwise, channels=(-2, -1)),
    keras.layers.SeparableConv1D: Linear(_pointwise_of_series, _SEPARABLE, series=True),
    keras.layers.SeparableConv2D: Linear(_pointwise, _SEPARABLE),
    keras.layers.Conv2DTranspose: Linear(_transposed, per_channel=False, channels=(-2,), bits=(8,)),
    keras.layers.Dense: Linear(_dense, per_channel=False),
}
FIRST_OF_TWO: dict[type, Function] = {
    keras.layers.SeparableConv1D: _depthwise1d,
    keras.layers.SeparableConv2D: _depthwise,
}
