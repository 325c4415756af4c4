"""What a study's report tells a reader to doubt."""

from dataclasses import replace

import pytest
from scipy.stats import t
from study_facts import KEY, facts_of, plan, values

from hintlite.pipeline.app.experiments.studies.doubts import doubts
from hintlite.pipeline.app.experiments.studies.plan import Plan
from hintlite.pipeline.app.experiments.studies.records import Records
from hintlite.pipeline.app.experiments.studies.statistics import least_difference
from hintlite.pipeline.settings.methods import HintConfig
from hintlite.pipeline.settings.run import RunConfig


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
    assert line.startswith("p is corrected for 3 comparisons")
    assert f": {t.isf(0.05 / 6, 4) / 5**0.5:.1f} with 5 pairs." in line


def test_each_number_of_pairs_has_its_own_least_difference():
    rows = [{"n": n, "p": p, "family": 2} for n, p in ((3, 0.2), (5, 0.3), (3, None))]
    lines = doubts(planned(scratch=1), Records({}, ()), [], rows)
    (line,) = [line for line in lines if "standard deviations of its pairs" in line]
    three, five = (t.isf(0.05 / 4, n - 1) / n**0.5 for n in (3, 5))
    assert f": {three:.1f} with 3 pairs, {five:.1f} with 5 pairs." in line


def test_two_teachers_cannot_be_tested_over():
    first = plan().runs[0]
    both = Plan(tuple(replace(first, teacher_seed=seed) for seed in (0, 1)), {})
    (line,) = [line for line in doubts(both, Records({}, ()), []) if "no difference is tes" in line]
    assert line.startswith("2 teachers, so no difference is tested")


def test_another_calibration_of_the_teacher_is_told_of():
    def lines(samples):
        settings = {"data": {"calibration_samples": samples}}
        record = {"key": KEY, "settings": settings, "test_sha256": "test"}
        return [x for x in doubts(plan(), Records({}, (record,)), []) if "was calibrated on" in x]

    asked = RunConfig().data.calibration_samples
    assert lines(asked) == []
    (line,) = lines(asked + 1)
    assert f"on {asked + 1} samples, and the settings say {asked}" in line


def test_a_teacher_that_was_asked_other_test_samples_is_told_of(tmp_path):
    def other(record):
        record["test_sha256"] = "corrected"

    lines = facts_of(tmp_path, values(), other)["doubts"]  # the teacher keeps "test"
    assert any("the test samples (corrected, test)" in line for line in lines)


def test_students_of_a_teacher_are_named_by_their_arm_in_the_study(tmp_path):
    def method_and_weights(record):
        record["teacher"]["weights_sha256"] = record["arm"][0] * 64
        record["arm"] = "method"

    lines = facts_of(tmp_path, values(), method_and_weights)["doubts"]
    (line,) = [line for line in lines if "on machines that did not get the same" in line]
    assert "scratch seed 0" in line
    assert "method" not in line
