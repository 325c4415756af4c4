"""A histogram of a tensor's values whose bins need no range: they are the bfloat16 numbers.

A float32 value belongs to the bin of its upper 16 bits: sign, exponent and seven bits of the
mantissa. A bin is so at most 1/128 of its values wide, whatever the range, and one value of 1e6
among values below 1 costs no resolution. One pass over the samples is enough.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.tflite.graph import Array
from hintlite.errors import DataError

_BINS = 1 << 16
_HALF = 1 << 15


@dataclass(eq=False)
class Histogram:
    """Counts of values, in ascending order of the bins.

    Attributes:
        counts: int64 [65536].
        low: the smallest value seen, infinity before the first.
        high: the largest value seen, minus infinity before the first.
    """

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_BINS, np.int64))
    low: float = np.inf
    high: float = -np.inf

    @property
    def total(self) -> int:
        """How many values were counted."""
        return int(self.counts.sum())

    def add(self, values: Array) -> None:
        """Counts values.

        Args:
            values: float32 of any shape.

        Raises:
            DataError: NaN or infinity is among them.
        """
        flat = np.ascontiguousarray(values, np.float32).reshape(-1)
        if not flat.size:
            return
        low, high = float(flat.min()), float(flat.max())
        if not np.isfinite([low, high]).all():
            raise DataError("NaN or infinity cannot be counted")
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.counts += np.bincount(_bins(flat), minlength=_BINS)

    def quantile(self, share: float) -> float:
        """The value below which a share of all values lies, linear within a bin.

        Args:
            share: 0 to 1.

        Raises:
            DataError: nothing was counted.
        """
        if not self.total:
            raise DataError("an empty histogram has no quantiles")
        filled = np.flatnonzero(self.counts)
        cumulated = np.cumsum(self.counts[filled])
        wanted = share * cumulated[-1]
        place = min(int(np.searchsorted(cumulated, wanted)), len(filled) - 1)
        lower, upper = (edges[filled[place]] for edges in _edges())
        count = int(self.counts[filled[place]])
        inside = (wanted - (cumulated[place] - count)) / count
        return float(np.clip(lower + inside * (upper - lower), self.low, self.high))

    def points(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The middles of the filled bins, within the range seen, and their counts; ascending."""
        filled = np.flatnonzero(self.counts)
        lower, upper = (edges[filled] for edges in _edges())
        return np.clip((lower + upper) / 2, self.low, self.high), self.counts[filled]


def _bins(flat: NDArray[np.float32]) -> NDArray[np.int64]:
    """The bin of each value: negative values first, the largest magnitude of them foremost."""
    upper = (flat.view(np.uint32) >> 16).astype(np.int64)
    return np.where(upper < _HALF, upper + _HALF, _BINS - 1 - upper)


@cache
def _edges() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper ends of the bins, float64 [65536] each."""
    # Bit patterns of infinity and NaN are never counted.
    with np.errstate(invalid="ignore"):
        magnitudes = (np.arange(_HALF + 1, dtype=np.uint32) << 16).view(np.float32)
        starts, ends = (part.astype(np.float64) for part in (magnitudes[:-1], magnitudes[1:]))
    ends[0] = 0.0  # the first bin holds 0 and what is too small to be told from it
    return np.concatenate([-ends[::-1], starts]), np.concatenate([-starts[::-1], ends])
