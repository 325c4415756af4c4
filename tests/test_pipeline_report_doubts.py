"""What makes the figures of a run worth little is said, and only then."""

import json

import numpy as np
import pytest
from report_run import CHOICES, LABELS, logits, settings, write_run

from hintlite.pipeline.report.collect import collect
from hintlite.pipeline.report.page import write_report
from hintlite.pipeline.report.subjects.confusion import are_uneven, scores
from hintlite.pipeline.report.subjects.doubts import doubts


def facts_of(**changes):
    """Facts of a run in which every file is right on 40 samples of two classes."""
    labels = np.arange(40) % 2
    right = {name: np.eye(2)[labels] for name in ("teacher:float32", "kd:float32", "kd:int8")}
    return {
        "settings": {"arms": ["kd"], "teacher_training": {}, "training": {}},
        "data": {"class_names": ["ok", "fault"], "train": 400, "validation": 20},
        "scores": scores({"labels": labels} | right),
        "confusion": [{"model": "kd", "precision": "int8"}],
        "training": [{"model": "teacher/0"}, {"model": "kd"}],
        "teacher_validation": [],
        "test_evaluations": 1,
    } | changes


def answers(name, choices, labels):
    """Facts in which one file gives these answers."""
    labels, choices = np.array(labels), np.array(choices)
    found = scores({"labels": labels, name: np.eye(2)[choices]})
    return facts_of(scores=facts_of()["scores"] | found)


def test_a_sound_run_has_no_doubts():
    assert doubts(facts_of()) == []


def test_test_samples_that_were_trained_on_are_counted():
    data = facts_of()["data"] | {"test": 40, "test_copies": 3}
    (said,) = doubts(facts_of(data=data))
    assert said.startswith("3 of the 40 test samples are copies of samples that were trained")
    assert doubts(facts_of(data=data | {"test_copies": 0})) == []


def test_a_teacher_that_finds_no_fault_is_at_chance_though_it_is_right_on_96_percent():
    facts = answers("teacher:float32", [0] * 312, [0] * 300 + [1] * 12)
    assert facts["scores"]["teacher:float32"]["accuracy"] == pytest.approx(0.9615, abs=1e-4)
    (line,) = doubts(facts)
    assert line.startswith("The teacher is at chance level: on average it finds 50.00")
    assert "It answers “ok” to every test sample." in line
    assert "teacher_training.class_weights balanced" in line  # the likely cause


def test_of_an_even_teacher_at_chance_the_range_of_values_is_the_likely_cause():
    (line,) = doubts(answers("teacher:float32", [0, 1] * 20, [0] * 20 + [1] * 20))
    assert "range of values" in line


def test_a_collapsed_student_is_named_with_its_answer():
    found = doubts(answers("kd:int8", [1] * 20, [0] * 10 + [1] * 10))
    assert found == [
        "Student, KD, INT8 answers “fault” to every test sample: it has collapsed, and its "
        "accuracy is the share of that class."
    ]


def test_a_class_of_which_nothing_is_found_is_named():
    labels = np.array([0] * 10 + [1] * 10 + [2] * 3)
    choices = np.array([0] * 10 + [1] * 10 + [0] * 3)
    facts = facts_of(scores=scores({"labels": labels, "kd:int8": np.eye(3)[choices]}))
    facts["data"] = facts["data"] | {"class_names": ["a", "b", "rare"]}
    assert doubts(facts) == ["Student, KD, INT8 finds none of the 3 of “rare”."]


def test_before_the_evaluation_validation_data_tell_of_the_teacher():
    def member(accuracy, at_chance):
        return {"accuracy": accuracy, "guessing": {"at_chance": at_chance}}

    facts = facts_of(scores={}, confusion=[], teacher_validation=[member(0.55, True)])
    (found,) = doubts(facts)
    assert found.startswith("The teacher is at chance level on validation data: 55.00")
    several = [member(0.55, True), member(0.9, False)]
    assert doubts(facts | {"teacher_validation": several}) == []
    assert doubts(facts | {"teacher_validation": []}) == []


def test_few_steps_an_epoch_are_said_of_what_was_trained():
    batch = {"batch_size": 256}
    batches = {"arms": ["kd"], "teacher_training": batch, "training": batch}
    first, second = doubts(facts_of(settings=batches))
    assert first.startswith("400 training samples in batches of 256 make 2 steps an epoch")
    assert "set training.batch_size to" in second
    given = facts_of(settings=batches, training=[{"model": "kd"}])  # the teacher came as a file
    assert doubts(given) == [second]


def test_the_page_and_report_json_say_it(tmp_path):
    run = write_run(tmp_path / "run")
    assert collect(run)["doubts"] == []
    choices = CHOICES | {"scratch:int8": [1] * 8}
    arrays = {name: logits(each) for name, each in choices.items()}
    np.savez(run / "evaluate" / "predictions.npz", labels=np.array(LABELS), **arrays)
    rehash(run, "evaluate", "predictions.npz")
    write_report([run], tmp_path / "r.html", tmp_path / "r.json")
    (line,) = json.loads((tmp_path / "r.json").read_text())["doubts"]
    assert line.startswith("Student alone, INT8 answers “dog” to every")
    assert '<section id="warnings"' in (tmp_path / "r.html").read_text()


def rehash(run, stage, name):
    import hashlib

    path = run / stage / "stage.json"
    record = json.loads(path.read_text())
    record["outputs"][name] = hashlib.sha256((run / stage / name).read_bytes()).hexdigest()
    path.write_text(json.dumps(record))


@pytest.mark.parametrize(("rare", "uneven"), [(12, True), (100, False), (160, False)])
def test_uneven_classes_bring_balanced_figures(rare, uneven):
    labels = np.array([0] * 160 + [1] * rare)
    assert are_uneven(
        facts_of(scores=scores({"labels": labels, "kd:int8": np.eye(2)[labels]}))
    ) is (uneven)


def test_balanced_figures_are_columns_where_classes_are_uneven(tmp_path):
    labels = [0, 0, 0, 0, 0, 0, 1, 2]
    run = write_run(tmp_path / "run", now=settings(seed=9))
    arrays = {name: logits(each) for name, each in CHOICES.items()}
    arrays["hint+kd:int8"] = logits([0, 0, 0, 0, 0, 0, 0, 2])
    np.savez(run / "evaluate" / "predictions.npz", labels=np.array(labels), **arrays)
    rehash(run, "evaluate", "predictions.npz")
    write_report([run], tmp_path / "r.html", tmp_path / "r.json")
    page = (tmp_path / "r.html").read_text()
    assert "balanced accuracy" in page
    rows = json.loads((tmp_path / "r.json").read_text())["rows"]
    row = next(r for r in rows if (r["model"], r["precision"]) == ("hint+kd", "int8"))
    assert row["balanced_accuracy"] == pytest.approx((1 + 0 + 1) / 3)
    assert row["macro_precision"] == pytest.approx((6 / 7 + 0 + 1) / 3)
    assert row["macro_f1"] == pytest.approx((12 / 13 + 0 + 1) / 3)
