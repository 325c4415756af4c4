"""Scores against scikit-learn's, and where a share is undefined."""

import math

import numpy as np
import pytest
from sklearn import metrics

from hintlite.pipeline.tasks.classification import confusion, guessing, scores, scores_of


def test_all_figures_are_those_of_scikit_learn():
    rng = np.random.default_rng(3)
    labels, chosen = rng.integers(0, 4, 60), rng.integers(0, 4, 60)
    found = scores(labels, chosen, 4)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(labels, chosen)
    assert found.recall == pytest.approx(recall)
    assert found.precision == pytest.approx(precision)
    assert found.f1 == pytest.approx(f1)
    assert found.support == tuple(support)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(labels, chosen))
    balanced = metrics.balanced_accuracy_score(labels, chosen)
    assert found.balanced_accuracy == pytest.approx(balanced)
    assert found.macro_f1 == pytest.approx(metrics.f1_score(labels, chosen, average="macro"))
    np.testing.assert_array_equal(
        confusion(labels, chosen, 4), metrics.confusion_matrix(labels, chosen)
    )


def test_a_classifier_that_finds_none_of_a_rare_class():
    found = scores(np.array([0] * 24 + [1]), np.zeros(25, int), 2)
    assert found.accuracy == 0.96
    assert found.balanced_accuracy == 0.5
    assert found.recall == (1.0, 0.0)
    assert found.precision == (0.96, None)  # class 1 is never chosen
    assert found.macro_f1 == pytest.approx((48 / 49 + 0) / 2)


def test_a_class_without_samples_counts_in_no_mean():
    found = scores(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)
    assert found.recall == (0.5, 1.0, None)
    assert found.f1[2] is None
    assert found.balanced_accuracy == 0.75


def matrix(*rows):
    return scores_of(np.array(rows))


GUESSING = {
    "always the commonest of two": (matrix([300, 0], [12, 0]), True),
    "half of the rare ones found, at few false alarms": (matrix([290, 10], [6, 6]), False),
    "good, and less accurate than the commonest answer": (matrix([80, 20], [1, 9]), False),
    "one in ten": (scores(np.arange(100) % 10, np.zeros(100, int), 10), True),
    "13 % of many samples of ten classes": (
        scores(
            np.arange(10000) % 10,
            np.where(np.arange(10000) % 100 < 3, np.arange(10000) % 10, 0),
            10,
        ),
        True,
    ),
    "9 of 10 of ten classes": (scores(np.arange(10), np.maximum(np.arange(10), 1), 10), False),
    "3 of 10 of two classes": (matrix([2, 3], [4, 1]), True),
    "all right": (matrix([5, 0], [0, 5]), False),
}


@pytest.mark.parametrize("name", GUESSING)
def test_a_classifier_that_guesses_is_known(name):
    found, at_chance = GUESSING[name]
    assert guessing(found).at_chance == at_chance


def test_the_tests_against_guessing_are_the_stated_ones():
    found = guessing(matrix([40, 20], [10, 30]))
    assert found.commonest == 0.6
    assert found.accuracy_bound == pytest.approx(0.62)
    # P(X >= 70) of 100 draws at 0.62.
    expected = sum(math.comb(100, k) * 0.62**k * 0.38 ** (100 - k) for k in range(70, 101))
    assert found.accuracy_p == pytest.approx(expected)
    error = math.sqrt(0.525 * 0.475 / 60 + 0.525 * 0.475 / 40) / 2
    z = ((2 / 3 + 3 / 4) / 2 - 0.525) / error
    assert found.balanced_p == pytest.approx(0.5 * math.erfc(z / math.sqrt(2)))
