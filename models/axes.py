"""Layers for maps of any number of spatial axes.

Pictures have two (maps `[batch, h, w, c]`), series one (`[batch, time, c]`), rows of a table none
(`[batch, c]`): what a convolution of one place is for the first two, a dense layer is for them.
"""

from __future__ import annotations

from typing import Any

import keras

Tensor = Any
Sizes = tuple[int, ...]


def spatial_axes(x: Tensor) -> int:
    """How many axes of a map `[batch, ..., c]` are places."""
    return len(x.shape) - 2


def convolution(axes: int, channels: int, kernel: int | Sizes, **settings: Any) -> Any:
    """A convolution over so many axes; a dense layer where there is none.

    Args:
        axes: 0, 1 or 2.
        channels: output channels.
        kernel: size along each axis, or one number for all; of no meaning without axes.
        settings: further ones of Keras' layer; those of moving (strides, padding, dilation_rate)
            are left out without axes.
    """
    if axes == 0:
        moving = ("strides", "padding", "dilation_rate")
        own = {name: value for name, value in settings.items() if name not in moving}
        return keras.layers.Dense(channels, **own)
    return (keras.layers.Conv1D, keras.layers.Conv2D)[axes - 1](channels, kernel, **settings)


def depthwise(axes: int, kernel: int, **settings: Any) -> Any:
    """A depthwise convolution over one or two axes."""
    kinds = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
    return kinds[axes - 1](kernel, **settings)


def max_pool(x: Tensor, size: int | Sizes, *args: Any, **settings: Any) -> Tensor:
    """The largest value of each window; the map itself where it has no places."""
    axes = spatial_axes(x)
    if axes == 0:
        return x
    kinds = (keras.layers.MaxPooling1D, keras.layers.MaxPooling2D)
    return kinds[axes - 1](size, *args, **settings)(x)


def mean_over_places(x: Tensor, **settings: Any) -> Tensor:
    """The mean of each channel `[batch, c]`; the map itself where it has no places."""
    axes = spatial_axes(x)
    if axes == 0:
        return x
    kinds = (keras.layers.GlobalAveragePooling1D, keras.layers.GlobalAveragePooling2D)
    return kinds[axes - 1](**settings)(x)


def all_but_batch(x: Tensor) -> Sizes:
    """The axes of everything within a sample."""
    return tuple(range(1, len(x.shape)))
