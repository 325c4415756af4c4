"""Means, intervals and paired differences against hand-worked figures and scipy's own tests."""

import math

import numpy as np
import pytest
from scipy import stats

from hintlite.errors import HintliteError
from hintlite.pipeline.app.experiments.studies.compare import (
    FEW,
    NOT_SIGNIFICANT,
    SAME,
    comparisons,
    costs,
    undecided,
)
from hintlite.pipeline.app.experiments.studies.statistics import holm, paired, summary
from hintlite.pipeline.report.study.words import SIGNIFICANT


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
    with pytest.raises(HintliteError, match="at least one value"):
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
    assert (always.difference.low, always.difference.high) == (None, None)


def test_equal_values_say_nothing_of_the_next_one():
    found = summary([0.9, 0.9, 0.9])
    assert (found.sd, found.low, found.high) == (0.0, None, None)


def test_holm_on_a_worked_example():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 = 0.02, 0.03, 0.06, 0.04, then never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def seeds(*values):
    return {(0, seed): value for seed, value in enumerate(values)}


def of_all(values, references):
    """The comparisons of a study that is done."""
    return comparisons(values, references, values)


def test_each_pair_is_compared_once_and_corrected_for_all():
    values = {
        "scratch": seeds(0.900, 0.901, 0.902, 0.903),
        "kd": seeds(0.910, 0.912, 0.911, 0.914),
        "hint+kd": seeds(0.905, 0.918, 0.909, 0.921),
    }
    rows = of_all(values, ["scratch", "kd", "output_only"])
    pairs = [(row["arm"], row["reference"]) for row in rows]
    assert pairs == [("kd", "scratch"), ("hint+kd", "scratch"), ("hint+kd", "kd")]
    raw = [
        stats.ttest_rel(list(values[arm].values()), list(values[reference].values())).pvalue
        for arm, reference in pairs
    ]
    expected = [3 * raw[0], 2 * raw[1], raw[2]]  # raw is in rising order
    assert raw == sorted(raw)
    assert [row["p_adjusted"] for row in rows] == pytest.approx(expected)
    assert [row["verdict"] for row in rows] == [SIGNIFICANT, NOT_SIGNIFICANT, NOT_SIGNIFICANT]
    assert rows[0]["mean"] == pytest.approx(0.01025)  # the arm minus the reference
    assert raw[1] < 0.05 < rows[1]["p_adjusted"]  # the correction made the difference


def test_what_cannot_be_tested_does_not_count_in_the_correction():
    values = {
        "scratch": seeds(0.90, 0.91, 0.92),
        "two": {(0, 0): 0.95, (0, 1): 0.951},
        "shifted": seeds(0.91, 0.92, 0.93),
        "good": seeds(0.950, 0.961, 0.972),
    }
    rows = {row["arm"]: row for row in of_all(values, ["scratch"])}
    assert (rows["two"]["verdict"], rows["two"]["p_adjusted"]) == (FEW, None)
    assert (rows["shifted"]["verdict"], rows["shifted"]["p_adjusted"]) == (SAME, None)
    assert rows["good"]["p_adjusted"] == pytest.approx(rows["good"]["p"])
    assert rows["good"]["family"] == 1


def test_comparisons_to_come_are_corrected_for_already():
    whole = {
        "scratch": seeds(0.900, 0.901, 0.902, 0.903),
        "kd": seeds(0.910, 0.912, 0.911, 0.914),
        "late": seeds(0.905, 0.918, 0.909, 0.921),
        "two": {(0, 0): 0.95, (0, 1): 0.951},  # will never have a test
    }
    begun = {name: whole[name] for name in ("scratch", "kd")} | {"late": {(0, 0): 0.905}}
    (kd, late) = comparisons(begun, ["scratch", "kd"], whole)[:2]
    # kd and late against scratch, late against kd: three tests in the end, two of them to come.
    assert kd["family"] == 3
    assert kd["p_adjusted"] == pytest.approx(3 * kd["p"])
    assert (late["n"], late["verdict"], late["p_adjusted"]) == (1, FEW, None)
    ended = next(row for row in of_all(whole, ["scratch", "kd"]) if row["arm"] == "kd")
    assert kd["p_adjusted"] >= ended["p_adjusted"]


TAUGHT = {  # (teacher seed, seed): the means over the seeds of a teacher are 2, 4 and 9
    "kd": {(0, 0): 1.0, (0, 1): 3.0, (1, 0): 4.0, (1, 1): 4.0, (2, 0): 8.0, (2, 1): 10.0},
    "scratch": {(0, 0): 1.0, (0, 1): 1.0, (1, 0): 1.0, (1, 1): 1.0, (2, 0): 1.0, (2, 1): 1.0},
}


def test_with_several_teachers_the_teachers_are_the_pairs():
    (row,) = of_all(TAUGHT, ["scratch"])
    expected = stats.ttest_1samp([2 - 1, 4 - 1, 9 - 1], 0)
    assert (row["n"], row["mean"]) == (3, 4.0)
    assert (row["t"], row["p"]) == pytest.approx((expected.statistic, expected.pvalue))
    (cost, _) = costs(TAUGHT, TAUGHT)
    over_teachers = stats.ttest_1samp([2, 4, 9], 0)
    assert (cost["arm"], cost["n"], cost["mean"]) == ("kd", 3, 5.0)
    assert cost["p"] == pytest.approx(over_teachers.pvalue)


def test_the_seeds_of_the_first_of_several_teachers_are_no_pairs():
    begun = {
        name: {key: v for key, v in own.items() if key[0] == 0} for name, own in TAUGHT.items()
    }
    (row,) = comparisons(begun, ["scratch"], TAUGHT)
    assert (row["n"], row["verdict"], row["low"]) == (1, FEW, None)


def test_a_study_of_two_seeds_says_one_thing_of_its_comparisons():
    """What cannot be tested is no absence of a difference."""
    values = {name: seeds(0.90, 0.91) for name in ("scratch", "kd", "hint+kd")}
    rows = of_all(values, ["scratch"])
    assert undecided(rows) == [
        "none of the 2 comparisons can be tested: fewer than 3 pairs",
    ]
    assert undecided(rows[:1]) == ["the only comparison cannot be tested: fewer than 3 pairs"]
