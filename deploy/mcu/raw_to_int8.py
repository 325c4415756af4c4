"""From raw pixels to the model's int8 input with integers alone, equal to the float formula.

What a device must compute is `clip(round((raw - mean) / std / scale) + zero_point)`. For the 256
values of a byte it is tried as an offset, then as `(raw * multiplier + bias) >> shift`, and every
one of the 256 results is compared with the formula; where no such numbers exist, a table of 256
bytes stands for it, which is exact by construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.tflite.quantization import normalize, quantize

Int64Array = NDArray[np.int64]
_INT32_MAX = 2**31 - 1
_LARGEST_SHIFT = 22
_NEAR = 3  # multipliers tried on each side of the exact ratio


@dataclass(frozen=True)
class Channel:
    """One channel: `clip((raw * multiplier + bias) >> shift) - 128`, or a table instead.

    Args:
        multiplier: 0 where there is a table.
        bias: added before the shift; includes the 128 that are taken off behind it.
        shift: to the right.
        table: the results for raw values 0 to 255; empty where the numbers give them.
    """

    multiplier: int
    bias: int
    shift: int
    table: tuple[int, ...] = ()

    @property
    def offset(self) -> int | None:
        """What is only added to the raw value; None where there is more to do."""
        exact = not self.table and self.multiplier == 1 and self.shift == 0
        return self.bias - 128 if exact else None

    def results(self) -> Int64Array:
        """int64 [256]: what the device computes for each raw value."""
        if self.table:
            return np.array(self.table, np.int64)
        raw = np.arange(256, dtype=np.int64)
        return np.clip((raw * self.multiplier + self.bias) >> self.shift, 0, 255) - 128


def raw_channels(
    normalization: Mapping[str, Any], scale: float, zero_point: int
) -> tuple[Channel, ...] | None:
    """How each channel of a raw uint8 image becomes the model's input.

    Args:
        normalization: "mean", "std" (a number each a channel, raw units) and "raw_dtype".
        scale: of the model's input.
        zero_point: of the model's input.

    Returns:
        One entry a channel; None for raw values that are not bytes.
    """
    if normalization["raw_dtype"] != "uint8":
        return None
    pairs = zip(normalization["mean"], normalization["std"], strict=True)
    return tuple(_channel(_expected(mean, std, scale, zero_point)) for mean, std in pairs)


def _expected(mean: float, std: float, scale: float, zero_point: int) -> Int64Array:
    """The float formula's answers for the 256 raw values."""
    raw = np.arange(256, dtype=np.uint8).reshape(-1, 1)
    stored = quantize(normalize(raw, [mean], [std]), scale, zero_point, np.int8)
    return stored.reshape(-1).astype(np.int64)


def _channel(expected: Int64Array) -> Channel:
    for shift in range(_LARGEST_SHIFT + 1):
        for multiplier in _multipliers(expected, shift):
            bias = _bias(expected, multiplier, shift)
            if bias is None:
                continue
            found = Channel(multiplier, bias, shift)
            if np.array_equal(found.results(), expected):
                return found
    return Channel(0, 0, 0, tuple(int(value) for value in expected))


def _multipliers(expected: Int64Array, shift: int) -> list[int]:
    """Candidates: the slope of the unclipped part, in units of 2**-shift, and its neighbours."""
    inside = np.flatnonzero((expected > -128) & (expected < 127))
    if len(inside) < 2:
        slope = 1.0
    else:
        first, last = inside[0], inside[-1]
        slope = float(expected[last] - expected[first]) / float(last - first)
    centre = round(slope * 2**shift)
    return [m for m in range(max(centre - _NEAR, 0), centre + _NEAR + 1) if 255 * m <= _INT32_MAX]


def _bias(expected: Int64Array, multiplier: int, shift: int) -> int | None:
    """A bias with which all 256 values come out; None if there is none in 32 bits."""
    wanted = expected + 128
    products = np.arange(256, dtype=np.int64) * multiplier
    lowest = np.where(wanted > 0, wanted << shift, -(2**40)) - products
    highest = np.where(wanted < 255, (wanted + 1) << shift, 2**40) - 1 - products
    low, high = int(lowest.max()), int(highest.min())
    bias = min(max((low + high) // 2, low), high)
    fits = abs(bias) + 255 * multiplier <= _INT32_MAX
    return bias if low <= high and fits else None
