"""Training through the phases: resume, best epoch, patience, weights of classes."""

import csv
from dataclasses import replace

import keras
import numpy as np
import pytest

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
from hintlite.pipeline.training.train import Job, TrainingError, Watcher, class_weights, train


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


class StopError(Exception):
    pass


class StopAt(Watcher):
    def __init__(self, phase, epoch):
        self.at = (phase, epoch)

    def step(self, phase, epoch, epochs, step, steps):
        if (phase, epoch) == self.at and step == 2:
            raise StopError


@pytest.mark.parametrize("at", [("pretrain", 2), ("task", 1), ("task", 3)])
def test_a_resumed_training_ends_with_the_weights_of_an_undisturbed_one(data, tmp_path, at):
    undisturbed = job(data, tmp_path / "a", hint_and_kd())
    history = train(undisturbed)
    stopped = job(data, tmp_path / "b", hint_and_kd())
    with pytest.raises(StopError):
        train(replace(stopped, watcher=StopAt(*at)))
    resumed = job(data, tmp_path / "b", hint_and_kd())
    for row, expected in zip(train(resumed), history, strict=True):
        assert row.pop("phase") == expected.pop("phase")
        assert row == pytest.approx(expected, rel=1e-3)
    rows = list(csv.DictReader((tmp_path / "b" / "history.csv").open()))
    assert [(row["phase"], int(row["epoch"])) for row in rows] == [
        ("pretrain", 1),
        ("pretrain", 2),
        ("task", 1),
        ("task", 2),
        ("task", 3),
    ]
    for one, other in zip(undisturbed.student.variables, resumed.student.variables, strict=True):
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
    cosine = build_optimizer(TrainingConfig(learning_rate=0.2), steps=100, steps_per_epoch=10)
    rate = [float(cosine._learning_rate(step)) for step in (0, 50, 100)]
    assert rate == pytest.approx([0.2, 0.1, 0.0], abs=1e-6)
    warm = build_optimizer(TrainingConfig(learning_rate=0.2, warmup_epochs=2), 100, 10)
    rate = [float(warm._learning_rate(step)) for step in (0, 10, 20, 60, 100)]
    assert rate == pytest.approx([0.0, 0.1, 0.2, 0.1, 0.0], abs=1e-6)
    constant = build_optimizer(TrainingConfig(schedule="constant", optimizer="sgd"), 100, 10)
    assert float(constant.learning_rate) == pytest.approx(2e-3)


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
