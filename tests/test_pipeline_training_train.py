"""Training through the phases: resume, best epoch, patience, weights of classes."""

import csv
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from hintlite.errors import SettingsError
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.methods.base import Sum, tap_shapes
from hintlite.pipeline.methods.hint import Hint
from hintlite.pipeline.methods.kd import KD
from hintlite.pipeline.methods.scratch import Scratch
from hintlite.pipeline.settings.data import AugmentConfig, DataConfig
from hintlite.pipeline.settings.methods import HintConfig, KDConfig
from hintlite.pipeline.settings.training import TrainingConfig
from hintlite.pipeline.training import checkpoint
from hintlite.pipeline.training.checkpoint import CheckpointError, Progress
from hintlite.pipeline.training.optimizers import build_optimizer
from hintlite.pipeline.training.train import (
    Job,
    TrainingError,
    Watcher,
    class_weights,
    ranked,
    train,
)


@pytest.fixture(scope="module")
def data():
    return load_training(DataConfig(limit=120, calibration_samples=20))


def networks():
    from hintlite.models.settings import NetworkConfig
    from hintlite.models.student import build_student
    from hintlite.models.teacher import build_teacher

    keras.utils.set_random_seed(1)
    teacher = build_teacher(NetworkConfig(widths=(4, 6), depths=(1, 1)), (8, 8, 1), 10)
    config = NetworkConfig(widths=(3, 4), depths=(1, 1), dropout=0.3)
    return teacher, build_student(config, (8, 8, 1), 10)


def job(data, folder, method=None, **settings):
    teacher, student = networks()
    method = method or Scratch()
    method.build(tap_shapes(teacher), tap_shapes(student), len(data.images))
    config = TrainingConfig(**{"epochs": 3, "batch_size": 32, **settings})
    folder.mkdir(exist_ok=True)
    return Job(
        student=student,
        method=method,
        teacher=teacher,
        data=data,
        augmentation=AugmentConfig(shift=1),
        config=config,
        seed=0,
        folder=folder,
    )


def hint_and_kd():
    hint = HintConfig(epochs=2, keep_weight=0.1)
    return Sum([Hint(hint, {"stage1": "stage1"}, {"stage1": "relu"}), KD(KDConfig())])


STOPS = [("pretrain", 2), ("task", 1), ("task", 3)]


class Stopped(Watcher):
    """Keeps the folder as a kill in the midst of some epochs would leave it."""

    def __init__(self, folder):
        self.folder = folder

    def step(self, phase, epoch, epochs, step, steps):
        if (phase, epoch) in STOPS and step == 2:
            shutil.copytree(self.folder, self.folder.with_name(f"{phase}{epoch}"))


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    """A training to its end, its history and the folder beside which those of kills lie."""
    whole = job(data, tmp_path_factory.mktemp("training") / "a", hint_and_kd())
    history = train(replace(whole, watcher=Stopped(whole.folder)))
    return whole.student, history, whole.folder


@pytest.mark.parametrize(
    ("phase", "epoch"),
    [STOPS[0], *(pytest.param(*stop, marks=pytest.mark.whole) for stop in STOPS[1:])],
)
def test_a_resumed_training_ends_with_the_weights_of_an_undisturbed_one(
    data, undisturbed, phase, epoch
):
    student, history, folder = undisturbed
    resumed = job(data, folder.with_name(f"{phase}{epoch}"), hint_and_kd())
    assert (resumed.folder / "checkpoint.npz").exists()
    for row, expected in zip(train(resumed), history, strict=True):
        assert row["phase"] == expected["phase"]
        numbers = ({**each, "phase": 0} for each in (row, expected))
        assert next(numbers) == pytest.approx(next(numbers), rel=1e-3)
    rows = list(csv.DictReader((resumed.folder / "history.csv").open()))
    assert [(row["phase"], int(row["epoch"])) for row in rows] == [
        ("pretrain", 1),
        ("pretrain", 2),
        ("task", 1),
        ("task", 2),
        ("task", 3),
    ]
    for one, other in zip(student.variables, resumed.student.variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4, atol=1e-6)


def test_the_best_epoch_is_kept_not_the_last(data, tmp_path):
    class Spoil(keras.callbacks.Callback):
        """Ruins the student in the last epoch."""

        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                self.model.optimizer.learning_rate = 1e3

    spoiled = replace(
        job(data, tmp_path / "a", learning_rate=1e-2, schedule="constant"), callbacks=(Spoil(),)
    )
    history = train(spoiled)
    best = min(history, key=lambda row: (-row["val_accuracy"], row["val_loss"]))
    assert best["epoch"] < 3
    x = data.normalized(data.validation)
    logits = spoiled.student(x, training=False)["logits"].numpy()
    accuracy = (logits.argmax(1) == data.labels[data.validation]).mean()
    assert accuracy == pytest.approx(best["val_accuracy"])


def test_patience_ends_a_training_that_does_not_improve(data, tmp_path):
    history = train(job(data, tmp_path / "a", epochs=9, patience=2, learning_rate=1e-9))
    assert len(history) < 9
    best = min(
        range(len(history)), key=lambda i: (-history[i]["val_accuracy"], history[i]["val_loss"])
    )
    assert len(history) == best + 3


def test_a_loss_that_is_no_number_stops_with_advice(data, tmp_path):
    class Explode(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            weights = self.model.student.trainable_variables[0]
            weights.assign(weights + np.nan)

    with pytest.raises(TrainingError, match="lower the learning rate"):
        train(replace(job(data, tmp_path / "a"), callbacks=(Explode(),)))


def test_class_weights_balance_the_classes(data):
    weights = class_weights(data)
    counts = np.bincount(data.labels[data.train], minlength=10)
    np.testing.assert_allclose([weights[i] * counts[i] for i in range(10)], counts.sum() / 10)


def test_schedules_are_the_published_curves():
    cosine = build_optimizer(TrainingConfig(epochs=10, learning_rate=0.2), steps=100)
    rate = [float(cosine._learning_rate(step)) for step in (0, 50, 100)]
    assert rate == pytest.approx([0.2, 0.1, 0.0], abs=1e-6)
    warm = build_optimizer(TrainingConfig(epochs=10, learning_rate=0.2, warmup_epochs=2), 100)
    rate = [float(warm._learning_rate(step)) for step in (0, 10, 20, 60, 100)]
    assert rate == pytest.approx([0.0, 0.1, 0.2, 0.1, 0.0], abs=1e-6)
    constant = build_optimizer(TrainingConfig(schedule="constant", optimizer="sgd"), 100)
    assert float(constant.learning_rate) == pytest.approx(2e-3)


def test_a_short_phase_warms_up_over_the_same_share_of_it():
    config = TrainingConfig(epochs=10, learning_rate=0.2, warmup_epochs=5)
    short = build_optimizer(config, steps=20)  # 2 of the 10 epochs, fewer than the warm-up's 5
    rate = [float(short._learning_rate(step)) for step in (0, 5, 10, 15, 20)]
    assert rate == pytest.approx([0.0, 0.1, 0.2, 0.1, 0.0], abs=1e-6)


ROWS = [
    {"val_accuracy": 0.96, "val_balanced_accuracy": 0.5, "val_macro_f1": 0.49, "val_ce": 0.3},
    {"val_accuracy": 0.90, "val_balanced_accuracy": 0.8, "val_macro_f1": 0.6, "val_ce": 0.4},
    {"val_accuracy": 0.93, "val_balanced_accuracy": 0.7, "val_macro_f1": 0.7, "val_ce": 0.2},
]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, 0),
        ({"class_weights": "balanced"}, 1),
        ({"class_weights": "balanced", "choose_by": "accuracy"}, 0),
        ({"choose_by": "balanced_accuracy"}, 1),
        ({"choose_by": "f1"}, 2),
        ({"choose_by": "loss"}, 2),
    ],
)
def test_the_epoch_is_kept_by_what_is_named(settings, expected):
    chosen_by = TrainingConfig(**settings).chosen_by
    rows = [{**row, "val_loss": 9.0 - i} for i, row in enumerate(ROWS)]
    ranks = [ranked(row, chosen_by) for row in rows]
    assert ranks.index(min(ranks)) == expected


def test_an_unknown_figure_to_choose_by_is_refused():
    with pytest.raises(SettingsError, match="choose_by"):
        TrainingConfig(choose_by="recall")


def test_the_kept_weights_are_those_of_the_best_balanced_accuracy(data, tmp_path):
    made = job(data, tmp_path / "a", choose_by="balanced_accuracy")
    history = train(made)
    best = max(row["val_balanced_accuracy"] for row in history)
    logits = made.student.predict(data.normalized(data.validation), verbose=0)["logits"]
    labels = data.labels[data.validation]
    found = balanced_accuracy_score(labels, logits.argmax(axis=1))
    assert found == pytest.approx(best, abs=1e-6)


def test_warmup_and_schedule_must_fit():
    with pytest.raises(SettingsError, match="fewer than the 3 epochs"):
        TrainingConfig(epochs=3, warmup_epochs=3)


def test_a_checkpoint_comes_back_whole(tmp_path):
    path = tmp_path / "checkpoint.npz"
    variables = [keras.Variable([1.0, 2.0]), keras.Variable(3, dtype="int64")]
    progress = Progress("task", 2, 1, [-0.5, 1.0], [{"phase": "task", "epoch": 1}])
    checkpoint.save(path, progress, variables, [np.array([7.0])])
    for variable in variables:
        variable.assign(variable * 0)
    read, best = checkpoint.load(path, variables)
    assert read == progress
    assert [variable.numpy().tolist() for variable in variables] == [[1.0, 2.0], 3]
    assert best[0].tolist() == [7.0]


def test_a_foreign_or_damaged_checkpoint_is_refused(tmp_path):
    path = tmp_path / "checkpoint.npz"
    checkpoint.save(path, Progress(), [keras.Variable([1.0, 2.0])])
    with pytest.raises(CheckpointError, match="another network"):
        checkpoint.load(path, [keras.Variable(1.0), keras.Variable(2.0)])
    with pytest.raises(CheckpointError, match="shape"):
        checkpoint.load(path, [keras.Variable([1.0, 2.0, 3.0])])
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoint.peek(path)
