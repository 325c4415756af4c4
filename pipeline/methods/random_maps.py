"""Random maps that a sample's index fixes, with given statistics of each channel."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from hintlite.pipeline.methods.base import Tensor

_BITS = 2**32 - 1


class Moments:
    """Mean and variance of each channel of maps that come a batch at a time."""

    def __init__(self) -> None:
        self.count, self.sum, self.squares = 0, np.zeros(()), np.zeros(())

    def add(self, maps: np.ndarray) -> None:
        """Counts in maps, whose channels come last."""
        values = maps.reshape(-1, maps.shape[-1]).astype(np.float64)
        self.count += len(values)
        self.sum = self.sum + values.sum(axis=0)
        self.squares = self.squares + np.square(values).sum(axis=0)

    @property
    def mean(self) -> np.ndarray:
        """`[c]`."""
        return self.sum / self.count

    @property
    def variance(self) -> np.ndarray:
        """`[c]`."""
        return np.maximum(self.squares / self.count - np.square(self.mean), 0.0)


class RandomMaps(keras.layers.Layer):
    """Sample index -> random map with given mean and variance in each channel.

    A value is uniform; where a rectified map cannot have that mean and variance without values
    below 0, a share 1 - p of the values is 0 and the others are uniform in 0 .. 2 mean / p, with
    `p = 4 / (3 (1 + variance / mean^2))`, so that a rectified regressor can reach
    them (one with ReLU6: those up to 6).

    Args:
        shape: (h, w, c), (time, c) or (c,).
        seed: two numbers.
        rectified: whether the values may not be negative.
    """

    def __init__(self, shape: tuple[int, ...], seed: tuple[int, int], rectified: bool) -> None:
        super().__init__(dtype="float32", name="random_maps")
        self.shape, self.seed, self.rectified = shape, seed, rectified
        self.mean = self._channels("mean")
        self.variance = self._channels("variance")
        self.built = True

    def _channels(self, name: str) -> Any:
        return self.add_weight(
            shape=self.shape[-1:], initializer="ones", trainable=False, name=name
        )

    def call(self, index: Tensor) -> Tensor:
        """The maps of the samples, float32 `[batch, *shape]`."""
        mean, variance = ops.convert_to_tensor(self.mean), ops.convert_to_tensor(self.variance)
        spread = ops.sqrt(3.0 * variance)
        dense = mean >= spread if self.rectified else ops.ones_like(mean, dtype="bool")
        share = ops.where(dense, 1.0, _share(mean, variance))
        low = ops.where(dense, mean - spread, 0.0)
        width = ops.where(dense, 2.0 * spread, 2.0 * mean / share)
        return low + width * ops.relu(self._uniform(index) - (1.0 - share)) / share

    def _uniform(self, index: Tensor) -> Tensor:
        """In 0 .. 1, `[batch, *shape]`: hashes of (seed, index, position), alike on any device."""
        first, second = self.seed
        key = _mixed(_mixed(_int64(first)) + second)
        sample = _mixed(ops.cast(index, "int64") + key)
        position = _mixed(ops.arange(1, 1 + math.prod(self.shape), dtype="int64"))
        bits = _mixed(ops.bitwise_xor(sample[:, None], position[None, :]))
        unit = ops.cast(ops.right_shift(bits, _int64(8)), "float32") * 2.0**-24
        return ops.reshape(unit, (-1, *self.shape))


def _mixed(x: Tensor) -> Tensor:
    """A hash of the low 32 bits, which is again 32 bits in an int64.

    The function is `lowbias32` of C. Wellons' Hash Prospector (2018). TensorFlow's stateless
    generators give other numbers under XLA than without it. The second factor is 0x846ca68b less
    2^32, which makes no difference modulo 2^32 and keeps the product within 64 bits.
    """
    x = ops.bitwise_and(x, _int64(_BITS))
    x = ops.bitwise_xor(x, ops.right_shift(x, _int64(16)))
    x = ops.bitwise_and(x * _int64(0x7FEB352D), _int64(_BITS))
    x = ops.bitwise_xor(x, ops.right_shift(x, _int64(15)))
    x = ops.bitwise_and(x * _int64(0x846CA68B - 2**32), _int64(_BITS))
    return ops.bitwise_xor(x, ops.right_shift(x, _int64(16)))


def _int64(value: int) -> Tensor:
    return ops.convert_to_tensor(value, dtype="int64")


def _share(mean: Tensor, variance: Tensor) -> Tensor:
    """How many values are above 0: those, uniform, and the zeros have this mean and variance."""
    square = ops.square(mean)
    return 4.0 * square / (3.0 * ops.maximum(square + variance, 1e-30))
