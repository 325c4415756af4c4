"""Means, intervals and paired differences against hand-worked figures and scipy's own tests."""

import math

import numpy as np
import pytest
from scipy import stats

from pipeline.app.studies.compare import FEW, OPEN, REAL, SAME, comparisons
from pipeline.app.studies.statistics import holm, paired, summary


def test_a_worked_example():
    # Mean 3; squares 4 + 1 + 0 + 1 + 4 = 10, over 4 = 2.5; t(0.975, 4) = 2.776445 by any table.
    found = summary([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (found.n, found.mean) == (5, 3.0)
    assert found.sd == pytest.approx(math.sqrt(2.5))
    half = 2.776445 * math.sqrt(2.5 / 5)
    assert found.low == pytest.approx(3 - half, abs=1e-5)
    assert found.high == pytest.approx(3 + half, abs=1e-5)


@pytest.mark.parametrize("n", [3, 5, 20])
def test_agrees_with_numpy_and_scipy(n):
    values = np.random.default_rng(n).normal(0.92, 0.003, n)
    found = summary(values.tolist())
    interval = stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values))
    assert found.sd == pytest.approx(values.std(ddof=1))
    np.testing.assert_allclose((found.low, found.high), interval)


def test_one_or_two_seeds_have_no_interval():
    assert (summary([0.9]).sd, summary([0.9]).low, summary([0.9]).high) == (None, None, None)
    two = summary([0.9, 0.92])
    assert two.sd == pytest.approx(0.02 / math.sqrt(2))
    assert (two.low, two.high) == (None, None)
    with pytest.raises(ValueError, match="at least one value"):
        summary([])


def test_pairs_are_matched_by_seed_and_tested_as_scipy_does():
    rng = np.random.default_rng(1)
    first, second = rng.normal(0.93, 0.002, 6), rng.normal(0.925, 0.002, 6)
    one = {(0, seed): value for seed, value in enumerate(first)}
    # Another order, and a seed that only one of them has: pairing by place would notice.
    other = {(0, seed): second[seed] for seed in (5, 3, 1, 0, 2, 4)} | {(0, 9): 0.1}
    found = paired(one, other)
    expected = stats.ttest_rel(first, second)
    assert found.difference.n == 6
    assert found.t == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert found.difference.low == pytest.approx(interval.low)
    assert found.difference.high == pytest.approx(interval.high)
    swapped = paired(other, one)
    assert swapped.difference.mean == pytest.approx(-found.difference.mean)


def test_pairs_that_say_nothing():
    assert paired({1: 0.9}, {2: 0.9}) is None
    two = paired({1: 0.9, 2: 0.91}, {1: 0.8, 2: 0.81})
    assert (two.difference.n, two.t, two.p) == (2, None, None)
    equal = {1: 0.3, 2: 0.4, 3: 0.5}
    assert paired(equal, equal).p == 1.0
    # 0.1 more each time, but for rounding in the 17th digit: no test of spread can say anything.
    always = paired({key: value + 0.1 for key, value in equal.items()}, equal)
    assert always.difference.mean == pytest.approx(0.1)
    assert (always.difference.sd, always.t, always.p) == (0.0, None, None)


def test_holm_on_a_worked_example():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 = 0.02, 0.03, 0.06, 0.04, then never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def seeds(*values):
    return {(0, seed): value for seed, value in enumerate(values)}


def test_each_pair_is_compared_once_and_corrected_for_all():
    values = {
        "scratch": seeds(0.900, 0.901, 0.902, 0.903),
        "kd": seeds(0.910, 0.912, 0.911, 0.914),
        "hint+kd": seeds(0.905, 0.918, 0.909, 0.921),
    }
    rows = comparisons(values, ["scratch", "kd", "output_only"])
    pairs = [(row["arm"], row["reference"]) for row in rows]
    assert pairs == [("kd", "scratch"), ("hint+kd", "scratch"), ("hint+kd", "kd")]
    raw = [
        stats.ttest_rel(list(values[arm].values()), list(values[reference].values())).pvalue
        for arm, reference in pairs
    ]
    expected = [3 * raw[0], 2 * raw[1], raw[2]]  # raw is in rising order
    assert raw == sorted(raw)
    assert [row["p_adjusted"] for row in rows] == pytest.approx(expected)
    assert [row["verdict"] for row in rows] == [REAL, OPEN, OPEN]
    assert rows[0]["mean"] == pytest.approx(0.01025)  # the arm minus the reference
    assert raw[1] < 0.05 < rows[1]["p_adjusted"]  # the correction made the difference


def test_what_cannot_be_tested_does_not_count_in_the_correction():
    values = {
        "scratch": seeds(0.90, 0.91, 0.92),
        "two": {(0, 0): 0.95, (0, 1): 0.951},
        "shifted": seeds(0.91, 0.92, 0.93),
        "good": seeds(0.950, 0.961, 0.972),
    }
    rows = {row["arm"]: row for row in comparisons(values, ["scratch"])}
    assert (rows["two"]["verdict"], rows["two"]["p_adjusted"]) == (FEW, None)
    assert (rows["shifted"]["verdict"], rows["shifted"]["p_adjusted"]) == (SAME, None)
    assert rows["good"]["p_adjusted"] == pytest.approx(rows["good"]["p"])
