"""What the page says first: figures with their doubts, beside the float and the INT8 teacher."""

import re

import pytest
from report_run import CHOICES, settings, write_run

from hintlite.pipeline.report.collect import collect
from hintlite.pipeline.report.figure import drawing
from hintlite.pipeline.report.section import Report
from hintlite.pipeline.report.series import is_filled, lines_of
from hintlite.pipeline.report.subjects import accuracy, summary, table
from hintlite.pipeline.runs.evaluations import note_evaluation


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    run = write_run(tmp_path_factory.mktemp("run") / "mine")
    return Report("mine", run, collect(run))


def text_of(section):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", section.html)).replace("\u00a0", " ")


def test_the_student_stands_beside_both_teachers_with_intervals(report):
    text = text_of(summary.render([report]))
    assert "100.00 % 80.00 to 100.00; float teacher 100.00 % (80.00 to 100.00)" in text
    assert "INT8 teacher 87.50 % (67.50 to 97.50)" in text
    assert "8.0 times faster than the float teacher; 2.0 times faster than the INT8" in text
    assert "10.0 times fewer than the teacher" in text
    assert "2,296 bytes as large as the teacher" in text


def test_a_doubtful_latency_is_marked_in_the_headline(report):
    assert "10.0 µs doubtful" in text_of(summary.render([report]))
    assert summary.headlines(report.facts)[-1] == (
        "6 of 6 latencies are doubtful, that of student, hints + KD, INT8 because load 3 (wait)."
    )


def test_the_same_samples_tell_whether_student_and_teacher_differ(report):
    float_teacher, int8_teacher, *_ = summary.headlines(report.facts)
    assert float_teacher.startswith("Of the 8 test samples the deployed student gets 0 right that")
    # The INT8 teacher is wrong on the last sample, the student is not.
    assert "gets 1 right that the INT8 teacher misses, and misses 0" in int8_teacher
    assert "no significant difference" in int8_teacher


def test_few_labels_are_told(report):
    assert not [line for line in summary.headlines(report.facts) if "labels" in line]
    told = report.facts | {"settings": {**report.facts["settings"], "training": {"labels": 60}}}
    assert summary.headlines(told)[0].startswith("The students were trained with 60 labels;")


def test_a_student_that_is_slower_than_the_int8_teacher_is_called_slower(report):
    rows = [
        row | ({"p50_us": 33.0} if (row["model"], row["precision"]) == ("hint+kd", "int8") else {})
        for row in report.facts["rows"]
    ]
    found = summary.headlines(report.facts | {"rows": rows})
    slower = [line for line in found if "slower" in line]
    assert slower == ["The student is slower than the INT8 teacher: 33.0 µs against 20.0 µs."]
    assert not [line for line in summary.headlines(report.facts) if "slower" in line]


def test_latencies_within_the_noise_are_called_equal(report):
    rows = [
        row | ({"p50_us": 20.5} if (row["model"], row["precision"]) == ("hint+kd", "int8") else {})
        for row in report.facts["rows"]
    ]
    facts = report.facts | {"rows": rows}
    assert "as fast as the INT8 teacher" in text_of(
        summary.render([Report("mine", report.path, facts)])
    )
    assert not [line for line in summary.headlines(facts) if "slower" in line]


@pytest.mark.parametrize(
    ("precision", "filled"),
    [
        *(("float32", False), ("float16", False), ("float32_control", False)),
        *(("dynamic_range", False), ("int8_ptq", True), ("int8", True)),
        *(("int16x8", True), ("mixed", True)),
    ],
)
def test_integers_are_drawn_filled(precision, filled):
    assert is_filled(precision) is filled


def test_precisions_of_one_model_do_not_cover_each_other():
    names = ("float32", "float32_control", "int8_ptq", "int8")
    entries = [{"model": "kd", "precision": name} for name in names]
    with lines_of([{"model": "teacher", "precision": "float32"}, *entries]) as (_, _, places):
        assert places[0] == 0
        assert places[1:] == pytest.approx([0.58, 0.86, 1.14, 1.42])


def test_points_stand_where_their_figures_say(report):
    points = accuracy.points_of([report], "bytes")  # all files have the same size
    with drawing() as (figure, axes):
        accuracy.draw(figure, axes, [report], points, "bytes", "bytes")
        marked = [line for line in axes.lines if line.get_marker() != "None"]
        assert all(line.get_transform() == axes.transData for line in marked)
        size = points[0][1]["bytes"]
        assert {float(line.get_xdata()[0]) for line in marked} == {size}
        sizes = [line.get_markersize() for line in marked if line.get_ydata()[0] == 75.0]
        assert len(set(sizes)) == 2  # two points at one place: one around the other


@pytest.mark.parametrize(("times", "words"), [(1, "evaluated once"), (3, "evaluated 3 times")])
def test_evaluations_of_the_test_data_are_counted(tmp_path, times, words):
    run = write_run(tmp_path / "run")
    for _ in range(times):
        note_evaluation(run, "t" * 64, list(CHOICES))
    note_evaluation(run, "u" * 64, list(CHOICES))  # of other samples
    facts = collect(run)
    assert facts["test_evaluations"] == times
    assert table.test_part(facts) == f"Accuracy on 8 test samples, {words}."
    assert any("evaluated 3 times" in line for line in facts["doubts"]) == (times > 1)


def test_a_run_that_did_not_count_does_not_say_once(report):
    assert report.facts["test_evaluations"] is None
    assert "how often they were evaluated was not counted" in table.test_part(report.facts)


def test_a_named_student_is_said_to_be_named(tmp_path):
    run = write_run(tmp_path / "run", now=settings(deploy="hint+kd"))
    text = text_of(summary.render([Report("run", run, collect(run))]))
    assert "as the settings name it" in text
