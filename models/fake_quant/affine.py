"""Layers that scale and shift each channel: 1x1 depthwise convolutions in the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from hintlite.models.fake_quant.merging import Own
from hintlite.models.fake_quant.ranges import FakeQuantize, Tensor, quantized_kernel


class _Affine(Own):
    after: FakeQuantize | None

    @property
    def output_range(self) -> FakeQuantize | None:
        """What rounds the output; None where whoever reads it does."""
        return self.after

    def rounded(self, y: Tensor, training: bool) -> Tensor:
        """The output, rounded where this layer does so."""
        return y if self.after is None else self.after(y, training=training)


@keras.saving.register_keras_serializable("hintlite")
class FakeQuantizedNorm(_Affine):
    """A batch normalization that no convolution before it can take up; a 1x1 depthwise in the file.

    Args:
        norm: over the last axis.
        after: round the output; where not, whoever reads it does.
        bits: of the integers.
    """

    def __init__(
        self,
        norm: keras.layers.BatchNormalization,
        after: bool = True,
        bits: int = 8,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.norm, self.bits = norm, bits
        self.after = FakeQuantize(bits=bits, name="after") if after else None
        self.built = norm.built

    def build(self, input_shape: Any) -> None:
        """Makes the normalization's variables, if it has none yet."""
        if not self.norm.built:
            self.norm.build(input_shape)

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """As the normalization."""
        return self.rounded(self.norm(x, training=training), training)

    def get_config(self) -> dict[str, Any]:
        """What makes the same layer again."""
        norm = keras.saving.serialize_keras_object(self.norm)
        own = {"norm": norm, "after": self.after is not None, "bits": self.bits}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FakeQuantizedNorm:
        """What `get_config` tells of."""
        norm = keras.saving.deserialize_keras_object(config.pop("norm"))
        return cls(norm, **config)


@keras.saving.register_keras_serializable("hintlite")
class FakeQuantizedAffine(_Affine):
    """`slope * x + offset`, channel by channel; a 1x1 depthwise convolution in the file.

    Args:
        slope, offset: a number, or one a channel.
        after: round the output; where not, whoever reads it does.
        bits: of the integers.
    """

    def __init__(
        self,
        slope: Sequence[float],
        offset: Sequence[float],
        after: bool = True,
        bits: int = 8,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.slope, self.offset = [list(map(float, each)) for each in (slope, offset)]
        self.bits = bits
        self.after = FakeQuantize(bits=bits, name="after") if after else None

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """A map `[batch, ..., channels]` -> the same shape."""
        slope, offset = (ops.convert_to_tensor(each, x.dtype) for each in (self.slope, self.offset))
        return self.rounded(x * slope + offset, training)

    def get_config(self) -> dict[str, Any]:
        """What makes the same layer again."""
        own = {"slope": self.slope, "offset": self.offset}
        return {**super().get_config(), **own, "after": self.after is not None, "bits": self.bits}


def lines(layer: FakeQuantizedNorm | FakeQuantizedAffine) -> tuple[np.ndarray, np.ndarray]:
    """Slope and offset of each channel, in inference."""
    if isinstance(layer, FakeQuantizedAffine):
        return np.asarray(layer.slope), np.asarray(layer.offset)
    norm = layer.norm
    slope = 1.0 / np.sqrt(np.asarray(norm.moving_variance, np.float64) + norm.epsilon)
    slope = slope * np.asarray(norm.gamma, np.float64) if norm.scale else slope
    beta = np.asarray(norm.beta, np.float64) if norm.center else 0.0
    return slope, beta - np.asarray(norm.moving_mean, np.float64) * slope


def inference(
    layer: FakeQuantizedNorm | FakeQuantizedAffine, channels: int
) -> Callable[[Tensor], Tensor]:
    """What the file computes: a depthwise convolution with one scale a channel, which is exact.

    Args:
        layer: whose slopes and offsets become constants.
        channels: of the maps.

    Returns:
        A function of float32 maps `[batch, ..., channels]`.
    """
    slope, offset = (np.broadcast_to(each, (channels,)).astype(np.float32) for each in lines(layer))

    def function(x: Tensor) -> Tensor:
        kernel = quantized_kernel(ops.reshape(slope, (1, 1, channels, 1)), 8, True, joint=2)
        maps = ops.reshape(x, _as_picture(x.shape))
        y = ops.depthwise_conv(maps, kernel, data_format="channels_last")
        y = ops.reshape(ops.add(y, uneven(offset)), (-1, *x.shape[1:]))
        return layer.rounded(y, training=False)

    return function


def _as_picture(shape: Sequence[int]) -> tuple[int, ...]:
    """`[batch, ..., c]` with four axes."""
    inner = tuple(shape[1:-1])
    if len(inner) > 2:
        inner = (int(np.prod(inner[:-1])), inner[-1])
    return (-1, *(1,) * (2 - len(inner)), *inner, shape[-1])


def uneven(bias: np.ndarray) -> np.ndarray:
    """The same bias, one entry the next float where all are equal and not 0.

    The converter takes such a bias for one number, and stores it in the scale of channel 0.
    """
    if bias.size > 1 and np.ptp(bias) == 0 and bias.flat[0] != 0:
        bias = bias.copy()
        bias.flat[0] = np.nextafter(bias.flat[0], np.float32(0))
    return bias
