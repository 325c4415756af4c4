"""Scores against scikit-learn's, and where a share is undefined."""

import numpy as np
import pytest
from sklearn import metrics

from hintlite.pipeline.tasks.classification import confusion, scores


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
