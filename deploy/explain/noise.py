"""Figures of one tensor, INT8 against float, added up batch by batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.tflite.graph import NUMPY_DTYPES, Array, Tensor

WIDE = 10.0  # a channel this many times wider than the median leaves the others 3.3 bits less


@dataclass(frozen=True)
class TensorFigures:
    """What INT8 made of one tensor; None where it cannot be said.

    Attributes:
        sqnr_db: 10 log10 of the sum of squares of the float values over that of the differences;
            None where nothing differs, or the float values are all 0.
        clipped: share of values that stand at an end of the integers' range while float goes
            beyond it by more than half a step.
        range_use: share of the integers (256 for INT8) that occur.
        widest_channel: the channel with the largest absolute float value.
        channel_ratio: that value over the median of the other channels' largest absolute values,
            those left out that are always 0.
    """

    sqnr_db: float | None
    clipped: float | None
    range_use: float | None
    widest_channel: int | None
    channel_ratio: float | None


class TensorNoise:
    """Adds up the figures of one tensor; takes memory for one number a channel and a code."""

    def __init__(self, tensor: Tensor) -> None:
        """Start with no sample.

        Args:
            tensor: of the INT8 file; one that is not quantized has no range.
        """
        self._signal = self._noise = 0.0
        self._values = self._clipped = 0
        self._largest: NDArray[np.float64] | None = None
        self._quantization = tensor.quantization
        limits = np.iinfo(NUMPY_DTYPES[tensor.dtype]) if tensor.quantization else None
        self._low, self._high = (limits.min, limits.max) if limits else (0, 0)
        self._seen = np.zeros(self._high - self._low + 1 if limits else 0, bool)

    def add(self, reference: Array, stored: Array) -> None:
        """Count a batch.

        Args:
            reference: [n, ...] the float network's values.
            stored: [n, ...] the file's, in their own type.
        """
        exact = reference.astype(np.float64)
        real = self._count_codes(exact, stored) if self._quantization else stored
        self._signal += float(np.sum(exact * exact))
        self._noise += float(np.sum(np.square(real.astype(np.float64) - exact)))
        self._values += exact.size
        if exact.ndim > 1:
            largest = np.max(np.abs(exact.reshape(-1, exact.shape[-1])), axis=0)
            self._largest = largest if self._largest is None else np.maximum(self._largest, largest)

    def _count_codes(self, exact: Array, stored: Array) -> Array:
        """Notes integers that occur and values that are clipped; gives the real values."""
        assert self._quantization is not None
        scale, zero = self._quantization.scales[0], self._quantization.zero_points[0]
        codes = stored.astype(np.int64)
        self._seen[np.unique(codes) - self._low] = True
        steps = exact / scale + zero
        above = (codes == self._high) & (steps > self._high + 0.5)
        below = (codes == self._low) & (steps < self._low - 0.5)
        self._clipped += int(np.sum(above | below))
        return scale * (codes - zero)

    def figures(self) -> TensorFigures:
        """The figures of all samples so far."""
        quantized = self._quantization is not None and self._values > 0
        channel, ratio = widest(self._largest)
        return TensorFigures(
            sqnr_db=decibels(self._signal, self._noise),
            clipped=self._clipped / self._values if quantized else None,
            range_use=float(np.mean(self._seen)) if quantized else None,
            widest_channel=channel,
            channel_ratio=ratio,
        )


def decibels(signal: float, noise: float) -> float | None:
    """Signal-to-noise ratio of two sums of squares, in dB; None where one of them is 0."""
    return float(10 * np.log10(signal / noise)) if signal > 0 and noise > 0 else None


def widest(largest: NDArray[np.float64] | None) -> tuple[int | None, float | None]:
    """The widest channel, and how many times wider it is than the median of the others.

    Args:
        largest: [channels] largest absolute values; a channel of 0 counts for nothing.
    """
    if largest is None or largest.size < 2:
        return None, None
    channel = int(np.argmax(largest))
    others = np.delete(largest, channel)
    others = others[others > 0]
    return channel, float(largest[channel] / np.median(others)) if others.size else None
