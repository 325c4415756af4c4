"""How good a classifier is: accuracy, and what it hides where classes are unequally frequent.

Numpy alone, so that stages, training and report may all use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scores:
    """Figures of one classifier on labelled samples, all in 0 to 1.

    The definitions are those of scikit-learn's `precision_recall_fscore_support` and
    `balanced_accuracy_score` (Brodersen et al. 2010), but that an undefined share is None here.

    Attributes:
        accuracy: share of the samples that are told right.
        balanced_accuracy: mean of the recalls of the classes that have samples.
        macro_f1: mean of the F1 of the classes that have samples or are chosen at least once.
        recall: by class, the share of its samples that are found; None of a class without samples.
        precision: by class, the share of the choices of it that are right; None if never chosen.
        f1: by class, `2 TP / (2 TP + FP + FN)`; None of a class without samples or choices.
        support: by class, its samples.
    """

    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    recall: tuple[float | None, ...]
    precision: tuple[float | None, ...]
    f1: tuple[float | None, ...]
    support: tuple[int, ...]


def confusion(labels: NDArray[Any], chosen: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """How often each class is taken for which: `[classes, classes]`, rows are labels.

    Args:
        labels: class indices `[n]`.
        chosen: class indices `[n]`.
        classes: how many there are.
    """
    pairs = np.asarray(labels, np.int64) * classes + np.asarray(chosen, np.int64)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def scores(labels: NDArray[Any], chosen: NDArray[Any], classes: int) -> Scores:
    """The figures of a classifier.

    Args:
        labels: class indices `[n]`, at least one.
        chosen: the class indices that it chose `[n]`.
        classes: how many there are.
    """
    return scores_of(confusion(labels, chosen, classes))


def scores_of(matrix: NDArray[Any]) -> Scores:
    """The figures of a confusion matrix `[classes, classes]`, rows are labels."""
    right = np.diagonal(matrix)
    support, choices = matrix.sum(axis=1), matrix.sum(axis=0)
    recall, precision = _shares(right, support), _shares(right, choices)
    f1 = _shares(2 * right, support + choices)
    return Scores(
        accuracy=float(right.sum() / matrix.sum()),
        balanced_accuracy=_mean(recall),
        macro_f1=_mean(f1),
        recall=recall,
        precision=precision,
        f1=f1,
        support=tuple(int(count) for count in support),
    )


def _shares(counts: NDArray[Any], totals: NDArray[Any]) -> tuple[float | None, ...]:
    return tuple(
        float(count / total) if total else None for count, total in zip(counts, totals, strict=True)
    )


def _mean(shares: tuple[float | None, ...]) -> float:
    return float(np.mean([share for share in shares if share is not None]))


UNEVEN = 2  # times as many samples in the largest class as in the smallest


def is_uneven(support: Sequence[int]) -> bool:
    """Whether samples are so unevenly divided that plain accuracy misleads.

    Args:
        support: by class, its samples; classes without any are passed over.
    """
    some = [count for count in support if count]
    return bool(some) and max(some) >= UNEVEN * min(some)


LEVEL = 0.05  # of the tests against guessing
MARGIN = 0.05  # "near" guessing: up to this share of what it leaves to be told right


@dataclass(frozen=True)
class Guessing:
    """Whether a classifier is better than one that guesses.

    It is, if its accuracy is above that of always answering the commonest class, by a one-sided
    exact binomial test; or, for one that was trained with balanced weights and gives up accuracy
    for the rare classes, if its balanced accuracy is above 1 / classes, by a one-sided normal test
    with the standard error of a guess. Both at the level of 5 %, and both against a bound that is
    a twentieth of the way from guessing to 1, so that near chance counts as chance.

    Attributes:
        commonest: the share of the commonest class.
        accuracy_bound: what the accuracy has to be above.
        accuracy_p: how probable this accuracy is at that bound.
        balanced_bound: what the balanced accuracy has to be above.
        balanced_p: how probable this balanced accuracy is at that bound.
    """

    commonest: float
    accuracy_bound: float
    accuracy_p: float
    balanced_bound: float
    balanced_p: float

    @property
    def at_chance(self) -> bool:
        """Neither figure is above its bound."""
        return min(self.accuracy_p, self.balanced_p) >= LEVEL


def guessing(found: Scores) -> Guessing:
    """Compares a classifier with one that guesses."""
    from scipy.stats import binomtest, norm

    counts = np.array([count for count in found.support if count])
    total = int(counts.sum())
    commonest = float(counts.max() / total)
    bound, balanced = _near(commonest), _near(1 / len(counts))
    # One class alone cannot be told from guessing: there is nothing to tell apart.
    error = float(np.sqrt(np.sum(balanced * (1 - balanced) / counts)) / len(counts))
    right = round(found.accuracy * total)
    z = (found.balanced_accuracy - balanced) / error if error else 0.0
    return Guessing(
        commonest=commonest,
        accuracy_bound=bound,
        accuracy_p=float(binomtest(right, total, bound, alternative="greater").pvalue),
        balanced_bound=balanced,
        balanced_p=float(norm.sf(z)),
    )


def _near(guess: float) -> float:
    return guess + MARGIN * (1 - guess)
