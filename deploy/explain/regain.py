"""What is won back when one source of error is taken out, and can samples show it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.tflite.graph import Array

CONFIDENCE = 0.05


@dataclass(frozen=True)
class Regained:
    """One source of error taken out, everything else as in the INT8 file; simulated.

    Attributes:
        won: samples that are right then and were wrong before.
        lost: samples that were right before and are wrong then.
        points: (won - lost) in percentage points of all samples.
        p_value: two-sided, exact, of McNemar's test (Psychometrika 12, 1947) of won and lost.
        error_share: share of the logits' squared error that goes away; None where there is none.
    """

    won: int
    lost: int
    points: float
    p_value: float
    error_share: float | None

    def is_shown(self, tests: int) -> bool:
        """True where chance does not explain that so much is won back.

        Args:
            tests: how many sources of error were tried; the bound is shared out among them
                (Bonferroni), since the best of many looks good by chance.
        """
        return self.won > self.lost and self.p_value * tests < CONFIDENCE


def regained(labels: NDArray[np.int64], exact: Array, before: Array, after: Array) -> Regained:
    """Compare the logits before and after with those of the float network.

    Args:
        labels: [n] class indices.
        exact: [n, classes] of the float network.
        before: [n, classes] with everything rounded.
        after: [n, classes] with one source of error less.
    """
    right, right_after = (np.argmax(logits, axis=1) == labels for logits in (before, after))
    won, lost = int(np.sum(~right & right_after)), int(np.sum(right & ~right_after))
    error, left = squared_error(exact, before), squared_error(exact, after)
    return Regained(
        won=won,
        lost=lost,
        points=100 * (won - lost) / len(labels),
        p_value=mcnemar(won, lost),
        error_share=1 - left / error if error > 0 else None,
    )


def squared_error(exact: Array, logits: Array) -> float:
    """Sum of the squared differences."""
    return float(np.sum(np.square(logits.astype(np.float64) - exact.astype(np.float64))))


def mcnemar(won: int, lost: int) -> float:
    """Exact two-sided p-value: a binomial distribution with probability 1/2."""
    from scipy.stats import binomtest

    return float(binomtest(won, won + lost, 0.5).pvalue) if won + lost else 1.0
