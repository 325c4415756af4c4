"""What a study's report tells a reader to doubt."""

from dataclasses import replace

import pytest
from scipy.stats import t
from study_facts import facts_of, plan, values

from pipeline.app.studies.doubts import doubts
from pipeline.app.studies.plan import Plan
from pipeline.app.studies.records import Records
from pipeline.app.studies.statistics import least_difference
from pipeline.config import HintConfig, RunConfig


def planned(**epochs: int) -> Plan:
    """One run an arm, each with this many epochs of its hint phase."""
    first = plan().runs[0]
    runs = [
        replace(first, arm=arm, config=RunConfig(arms=(arm,), hint=HintConfig(epochs=count)))
        for arm, count in epochs.items()
    ]
    return Plan(tuple(runs), {})


def about_time(found: Plan) -> list[str]:
    lines = doubts(found, Records({}, []), [])
    return [line for line in lines if "number of training epochs" in line]


def test_a_control_that_trains_shorter_is_doubted():
    (line,) = about_time(planned(**{"output_only": 5, "hint+kd": 7, "scratch": 1}))
    assert "output_only 25, hint+kd 27" in line
    assert "scratch" not in line


def test_a_control_that_trains_as_long_is_not():
    assert about_time(planned(**{"output_only": 5, "hint+kd": 5, "scratch": 1, "kd": 3})) == []
    assert about_time(planned(**{"hint+kd": 5, "random_hint+kd": 7})) == []  # no such control


def test_the_least_difference_is_that_of_the_paired_test():
    # 4 pairs, one comparison: t must pass 3.182 (tables), and t = mean / (sd / 2).
    assert least_difference(4, 1) == pytest.approx(3.182 / 2, abs=1e-3)
    assert least_difference(5, 12) == pytest.approx(t.isf(0.05 / 24, 4) / 5**0.5)


def test_the_report_says_how_little_few_seeds_can_tell(tmp_path):
    lines = facts_of(tmp_path / "records", values())["doubts"]
    (line,) = [line for line in lines if "standard deviations of its pairs" in line]
    # Of scratch, kd, hint+kd and "few" three pairs have five seeds; "few" has two and counts not.
    assert line.startswith("3 comparisons over as few as 5 pairs")
    assert f"{t.isf(0.05 / 6, 4) / 5**0.5:.1f} standard deviations" in line
