"""Means, intervals and paired differences of few repetitions; numbers in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hintlite.errors import DataError

CONFIDENCE = 0.95
LEAST = (
    3  # repetitions: with two, the t interval is 12.7 standard errors wide, with one there is none
)
NO_SPREAD = 1e-12  # a standard deviation below this is rounding, not spread

Key = TypeVar("Key")


@dataclass(frozen=True)
class Summary:
    """A mean and how well it is known.

    Attributes:
        n: repetitions.
        mean: of them.
        sd: their standard deviation (n - 1 below the line); None for one repetition.
        low: end of the 95 % t interval of the mean; None for fewer than LEAST, and where all are
            equal, which says nothing of how far the next one may lie.
        high: its other end.
    """

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Paired:
    """The mean difference of pairs.

    Attributes:
        difference: of the pairs, first minus second.
        t: Student's, with n - 1 degrees of freedom; None where it says nothing.
        p: of a difference this large or larger in either direction, if there were none; None for
            fewer than LEAST pairs, or where all pairs differ by the same amount but not by 0.
    """

    difference: Summary
    t: float | None
    p: float | None


def summary(values: Sequence[float]) -> Summary:
    """Mean, standard deviation and t interval (Student 1908).

    Args:
        values: one a repetition, at least one.

    Raises:
        DataError: there is none.
    """
    if not values:
        raise DataError("expected at least one value, got none")
    n, mean = len(values), math.fsum(values) / len(values)
    if n == 1:
        return Summary(n, mean, None, None, None)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    sd = 0.0 if sd < NO_SPREAD else sd
    if n < LEAST or sd == 0.0:
        return Summary(n, mean, sd, None, None)
    half = _quantile(n - 1) * sd / math.sqrt(n)
    return Summary(n, mean, sd, mean - half, mean + half)


def paired(first: Mapping[Key, float], second: Mapping[Key, float]) -> Paired | None:
    """The differences over what both have, and the paired t test.

    Args:
        first: repetition (its seeds) -> value.
        second: the same of what it is compared with.

    Returns:
        None if no repetition is in both.
    """
    both = [key for key in first if key in second]
    if not both:
        return None
    difference = summary([first[key] - second[key] for key in both])
    if difference.n < LEAST or difference.sd is None:
        return Paired(difference, None, None)
    if difference.sd == 0.0:
        same = abs(difference.mean) < NO_SPREAD
        return Paired(difference, None, 1.0 if same else None)
    t = difference.mean / (difference.sd / math.sqrt(difference.n))
    return Paired(difference, t, _two_sided(t, difference.n - 1))


def holm(probabilities: Sequence[float]) -> list[float]:
    """Adjusts p values for their number (Holm 1979).

    The chance of calling even one difference significant where there is none stays below the bound
    that the adjusted values are held to.

    Args:
        probabilities: p values, one a comparison.

    Returns:
        The adjusted ones, in the same order.
    """
    order = sorted(range(len(probabilities)), key=lambda i: probabilities[i])
    adjusted, largest = [0.0] * len(order), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, (len(order) - rank) * probabilities[i])
        adjusted[i] = min(1.0, largest)
    return adjusted


def least_difference(pairs: int, comparisons: int) -> float:
    """The mean difference, in standard deviations of the pairs, that the strictest test asks for.

    Args:
        pairs: of one comparison, at least 2.
        comparisons: among which Holm's first step divides the bound.
    """
    return _quantile(pairs - 1, comparisons) / math.sqrt(pairs)


def _quantile(freedom: int, comparisons: int = 1) -> float:
    from scipy.stats import t

    return float(t.ppf(1 - (1 - CONFIDENCE) / (2 * comparisons), freedom))


def _two_sided(value: float, freedom: int) -> float:
    from scipy.stats import t

    return float(2 * t.sf(abs(value), freedom))
