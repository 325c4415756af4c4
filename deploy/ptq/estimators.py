"""From what was seen of a tensor to the range that its integers span."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.ptq.histogram import Histogram

Range = tuple[float, float]
Floats = NDArray[np.float64]
Places = NDArray[np.int64]
_ROUNDS = 20
_BETWEEN = 300


@dataclass(frozen=True)
class Grid:
    """The integers that a range is divided into.

    Attributes:
        steps: of the whole range: 255 for INT8, 65534 for symmetric INT16.
        symmetric: the range is the same on both sides of 0, as INT16 kernels want it.
    """

    steps: int
    symmetric: bool


INT8_GRID = Grid(255, symmetric=False)
INT16_GRID = Grid(65534, symmetric=True)


def estimate(seen: Histogram, estimator: str, grid: Grid, percentile: float) -> Range:
    """The range of a tensor.

    Args:
        seen: its values over the calibration samples.
        estimator: a key of `ESTIMATORS`.
        grid: what the range is divided into.
        percentile: for the estimator of that name: the share of the values, in percent, that the
            range holds.

    Returns:
        Smallest and largest real value. Where the estimator leaves no range at all (nearly every
        value is 0), that is what was seen.
    """
    low, high = ESTIMATORS[estimator](seen, grid, percentile)
    return (low, high) if max(high, 0.0) > min(low, 0.0) else (seen.low, seen.high)


def _minmax(seen: Histogram, grid: Grid, percentile: float) -> Range:
    """All that was seen."""
    del grid, percentile
    return seen.low, seen.high


def _percentile(seen: Histogram, grid: Grid, percentile: float) -> Range:
    """Half of what may be cut off is cut off at either end (Wu et al. 2020, arXiv 2004.09602)."""
    del grid
    tail = (1 - percentile / 100) / 2
    return seen.quantile(tail), seen.quantile(1 - tail)


def _mse(seen: Histogram, grid: Grid, percentile: float) -> Range:
    """The range of least squared error: that of clipping and that of rounding together.

    The two ends are searched in turn, each exactly over the filled bins, until neither moves.
    """
    del percentile
    error = SquaredError(*seen.points(), grid)
    if grid.symmetric:
        ends = np.unique(_ends(np.abs(error.values), max(abs(seen.low), abs(seen.high))))
        best = float(ends[np.argmin(error(-ends, ends))])
        return max(-best, seen.low), min(best, seen.high)
    low, high = min(seen.low, 0.0), max(seen.high, 0.0)
    lows, highs = -_ends(-error.values, -low), _ends(error.values, high)
    for _ in range(_ROUNDS):
        before = low, high
        high = float(highs[np.argmin(error(np.full_like(highs, low), highs))])
        low = float(lows[np.argmin(error(lows, np.full_like(lows, high)))])
        if (low, high) == before:
            break
    return low, high


def _ends(values: Floats, furthest: float) -> Floats:
    """Where a range may end: where values lie, and between those that lie far apart."""
    if furthest <= 0:
        return np.zeros(1)
    between = furthest * np.geomspace(1e-3, 1.0, _BETWEEN)
    return np.concatenate([values[values >= 0], between, [furthest, 0.0]])


ESTIMATORS: dict[str, Callable[[Histogram, Grid, float], Range]] = {
    "minmax": _minmax,
    "percentile": _percentile,
    "mse": _mse,
}


class SquaredError:
    """Sum of squared errors of values that are quantized over a range.

    A value outside the range is set to its nearer end. One inside is rounded: to 0 where it lies
    within half a step of it, with the error x^2, and otherwise with the error step^2 / 12 of
    evenly spread values. Range ends are moved to include 0, as every quantizer does.

    Args:
        values: float64 [n], ascending.
        counts: int64 [n], how often each occurs.
        grid: what a range is divided into.
    """

    def __init__(self, values: NDArray[np.float64], counts: NDArray[np.int64], grid: Grid) -> None:
        self.values, self.grid = values, grid
        weighted = [counts * values**power for power in (0, 1, 2)]
        self._sums = [np.concatenate([[0.0], np.cumsum(part)]) for part in weighted]

    def __call__(self, low: Floats, high: Floats) -> Floats:
        """The error over each of the ranges from `low` to `high`, float64 [k], low <= 0 <= high."""
        step = (high - low) / self.grid.steps
        first = np.searchsorted(self.values, low)
        last = np.maximum(np.searchsorted(self.values, high), first)
        near = np.clip(np.searchsorted(self.values, -step / 2), first, last)
        far = np.clip(np.searchsorted(self.values, step / 2), first, last)
        clipped = self._moment(np.zeros_like(first), first, low)
        clipped += self._moment(last, np.full_like(last, len(self.values)), high)
        rounded = self._sum(0, first, last) - self._sum(0, near, far)
        return clipped + self._sum(2, near, far) + rounded * step**2 / 12

    def _sum(self, power: int, start: Places, stop: Places) -> Floats:
        """Sums of counts * values**power over slices of the values."""
        return self._sums[power][stop] - self._sums[power][start]

    def _moment(self, start: Places, stop: Places, end: Floats) -> Floats:
        """Sums of (x - end)^2 over slices of the values."""
        n, x, squares = (self._sum(power, start, stop) for power in (0, 1, 2))
        return squares - 2 * end * x + end**2 * n
