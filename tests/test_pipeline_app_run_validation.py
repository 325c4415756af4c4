"""What is said of a network before anything is built upon it."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from hintlite.pipeline.app.run import order
from hintlite.pipeline.app.run.console import Terminal
from hintlite.pipeline.app.run.context import Context, StageError
from hintlite.pipeline.app.run.folder import RunFolder
from hintlite.pipeline.app.run.stages.bundle import chosen_arm
from hintlite.pipeline.app.run.validation import (
    asked,
    doubt,
    is_collapsed,
    measured,
    require_useful,
    sentence,
    worth,
)
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.data.normalization import Normalization
from hintlite.pipeline.data.sources.arrays import from_arrays
from hintlite.pipeline.settings.data import DataConfig
from hintlite.pipeline.settings.run import RunConfig
from hintlite.pipeline.settings.training import TrainingConfig, few_steps

CLASSES = 4


@pytest.fixture(scope="module")
def data():
    """Pictures of which one row is blue, the class, and some row red."""
    rng = np.random.default_rng(0)
    labels, every = np.arange(240) % CLASSES, np.arange(240)
    images = rng.integers(0, 40, (240, 4, 4, 3)).astype(np.uint8)
    images[every, labels, :, 2] += 120
    images[every, rng.integers(0, 4, 240), :, 0] += 120
    source = from_arrays(images, labels, class_names=tuple("abcd"))
    config = DataConfig(calibration_samples=8, normalization="raw", validation_fraction=0.3)
    return load_training(config, source)


def rows(channel=2, order=(0, 1, 2, 3)):
    """The network that finds the bright row among raw values, and no row among smaller ones."""
    return lambda images: (images[..., channel].mean(axis=2) > 80).astype(np.float32)[:, order]


def test_figures_are_those_of_the_validation_part(data):
    labels = data.labels[data.validation]
    logits = np.eye(CLASSES)[np.where(labels == 3, 0, labels)] * 2.0

    found = measured(lambda images: logits, data)

    share = float((labels == 3).mean())
    assert found["samples"] == len(labels)
    assert found["accuracy"] == pytest.approx(1 - share)
    assert found["balanced_accuracy"] == pytest.approx(0.75)
    assert found["recall"] == (1.0, 1.0, 1.0, 0.0)
    right = -np.log(np.exp(2) / (np.exp(2) + 3))
    wrong = -np.log(1 / (np.exp(2) + 3))
    assert found["loss"] == pytest.approx((1 - share) * right + share * wrong)
    assert not found["guessing"]["at_chance"]
    assert not is_collapsed(found)
    assert f"of {len(labels)} validation samples, balanced 75.00 %" in sentence("teacher", found)
    assert worth(found, "f1") == found["macro_f1"]
    assert worth(found, "loss") == -found["loss"]


def test_a_network_that_answers_one_class_or_no_number_has_collapsed(data):
    count = len(data.validation)
    constant = measured(lambda images: np.tile([0.0, 0.0, 5.0, 1.0], (count, 1)), data)
    assert is_collapsed(constant)
    assert "collapsed, it answers 'c' for all" in sentence("student, kd", constant)
    assert constant["guessing"]["at_chance"]
    broken = measured(lambda images: np.full((count, CLASSES), np.nan), data)
    assert is_collapsed(broken)
    assert "not finite" in sentence("student, kd", broken)
    json.dumps(broken, allow_nan=False)


def test_after_few_updates_longer_training_is_named_before_a_lower_rate(data):
    found = measured(lambda images: np.tile([0.0, 0.0, 5.0, 1.0], (len(images), 1)), data)
    assert TrainingConfig(epochs=3, batch_size=16).updates(100) == 21
    early, late = (sentence("student", found, updates) for updates in (21, 5000))
    assert re.search(r"train longer .*\(21 steps teach little\), or lower the learning", early)
    assert re.search(r"lower the learning rate, or train longer", late)


def test_of_uneven_classes_the_balance_is_the_first_cure(data):
    """Right on all samples of the commonest class, and on no other."""
    names = data.labels[data.validation]
    rare = replace(data, labels=np.where(data.labels == 3, 3, 0))
    found = measured(lambda images: np.tile([5.0, 0.0, 0.0, 0.0], (len(names), 1)), rare)
    assert found["constant"] == "a"
    balanced = r"collapsed, .*: the classes are uneven: set class_weights balanced .*, or lower"
    assert re.search(balanced, sentence("student, kd", found))
    assert "likely causes: uneven classes (teacher_training.class_weights" in doubt(found)
    even = measured(lambda images: np.tile([5.0, 0.0, 0.0, 0.0], (len(names), 1)), data)
    assert "uneven" not in sentence("student, kd", even) + doubt(even)


def test_a_teacher_that_is_fed_rightly_is_not_doubted(data):
    found = measured(rows(), data) | {"asked": asked(rows(), data, "raw")}
    assert found["accuracy"] == 1.0
    assert found["asked"]["reordered"] == []
    assert doubt(found) is None


def test_a_wrong_range_is_named_first_and_the_right_one_proposed(data):
    unit = replace(data, normalization=Normalization((0.0,) * 3, (255.0,) * 3))
    found = measured(rows(), unit) | {"asked": asked(rows(), unit, "unit")}
    assert found["constant"] == "a"
    said = doubt(found)
    assert "fed unit (scaled to 0..1)" in said
    assert "Fed raw (the values as they are) it reaches 100.00%" in said
    assert "set data.normalization raw" in said


@pytest.mark.parametrize(
    ("network", "cause"),
    [
        (rows(order=(1, 2, 3, 0)), "in another order it would reach 100.00% ('a' is its output 3,"),
        (rows(channel=0), "with blue first, as OpenCV reads images, it would reach 100.00%"),
    ],
)
def test_labels_and_channels_in_another_order_are_found(data, network, cause):
    found = measured(network, data) | {"asked": asked(network, data, "raw")}
    said = doubt(found)
    assert "no better than guessing" in said
    assert "one-sided binomial test" in said
    assert cause in said
    assert said.index("another range of values") < said.index(cause)


def test_a_trained_teacher_at_chance_is_told_so_without_other_ranges(data):
    said = doubt(measured(lambda images: np.zeros((len(images), CLASSES)), data))
    assert "always answering the commonest class gives 25.86%" in said
    assert "teacher_training.epochs" in said
    assert "range" not in said


def context(folder, **settings):
    made = Context(RunConfig(**settings), RunFolder(folder), Terminal())
    for stage in made.teachers:
        folder.joinpath(stage).mkdir(parents=True)
    return made


def test_nothing_is_distilled_from_a_teacher_that_guesses(data, tmp_path, capfd):
    guess = measured(lambda images: np.zeros((len(images), CLASSES)), data)
    made = context(tmp_path, arms=("scratch", "kd"), teacher_members=2)
    for stage, figures in zip(made.teachers, (measured(rows(), data), guess), strict=True):
        made.file(stage, "summary.json").write_text(json.dumps({"validation": figures}))
    with pytest.raises(StageError, match=r"teacher/1: the teacher is no better .*\n.*\n.*accept"):
        require_useful(made)
    made.config = replace(made.config, accept_chance=True)
    require_useful(made)
    assert "going on, as accept_chance says" in capfd.readouterr().err
    made.config = replace(made.config, accept_chance=False, arms=("scratch",))
    require_useful(made)  # nothing is distilled


def scored(made, **figures):
    for arm, found in figures.items():
        folder = made.folder.path / "quantize" / arm
        folder.mkdir(parents=True)
        plain = {"constant": None, "finite": True, "samples": 9, "accuracy": 0.5}
        plain |= {"support": [3, 3, 3], "guessing": {"commonest": 1 / 3}}
        (folder / "scores.json").write_text(json.dumps(plain | found))
    (made.folder.path / "data").mkdir()
    (made.folder.path / "data" / "data.json").write_text(json.dumps({"train": 20}))
    return made


def test_the_best_student_is_chosen_by_what_the_epoch_is_kept_by(tmp_path):
    figures = {
        "kd": {"accuracy": 0.96, "balanced_accuracy": 0.5, "macro_f1": 0.49, "loss": 0.3},
        "hint": {"accuracy": 0.9, "balanced_accuracy": 0.8, "macro_f1": 0.6, "loss": 0.4},
        "fsp": {"accuracy": 0.93, "balanced_accuracy": 0.7, "macro_f1": 0.7, "loss": 0.2},
    }
    made = scored(context(tmp_path, arms=tuple(figures)), **figures)
    expected = {"accuracy": "kd", "balanced_accuracy": "hint", "f1": "fsp", "loss": "fsp"}
    for chosen_by, arm in expected.items():
        training = TrainingConfig(choose_by=chosen_by)
        made.config = replace(made.config, training=training)
        assert chosen_arm(made) == arm


def test_a_collapsed_student_is_never_the_best(tmp_path):
    made = scored(
        context(tmp_path, arms=("kd", "hint")),
        kd={"constant": "a", "accuracy": 0.96},
        hint={"accuracy": 0.9},
    )
    assert chosen_arm(made) == "hint"
    made = scored(
        context(tmp_path / "both", arms=("kd", "hint")),
        kd={"constant": "a", "accuracy": 0.6},
        hint={"finite": False, "accuracy": 0.9},
    )
    with pytest.raises(
        StageError,
        match=r"no best student.*kd: collapsed.*'a'.*\n`hintlite report .*--accept_chance",
    ):
        chosen_arm(made)
    made.config = replace(made.config, accept_chance=True)
    assert chosen_arm(made) == "kd"


def test_the_test_data_stay_closed_where_every_student_has_collapsed(tmp_path, monkeypatch):
    made = scored(context(tmp_path, arms=("kd",)), kd={"constant": "a", "accuracy": 0.6})
    done = []
    monkeypatch.setattr(order, "complete", lambda context, step: done.append(step))
    monkeypatch.setattr(order, "check_arms", lambda context: None)
    monkeypatch.setattr(order, "_is_trained", lambda context: True)
    with pytest.raises(StageError, match="no best student to bundle"):
        order.run_all(made)
    assert done == ["data", "teacher", "distill", "quantize"]
    with pytest.raises(StageError, match="no best student to bundle"):
        order.run_one(made, "evaluate", {})
    assert done[-1] == "quantize"
    order.run_all(made, last="evaluate")  # nothing is to be bundled
    assert done[-1] == "evaluate"
    made.config = replace(made.config, accept_chance=True)
    assert order.run_one(made, "evaluate", {}) == ["evaluate"]


def test_few_steps_are_told_with_a_batch_size_that_cures_them():
    assert few_steps(1000, 100, "training") is None
    assert few_steps(5, 1, "training") is None
    said = few_steps(200, 128, "teacher_training")
    assert "make 2 steps an epoch" in said
    assert "set teacher_training.batch_size to 16 or less" in said
    assert -(-200 // 16) >= 10
