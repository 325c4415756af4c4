"""Few labels: whose stay, what the others cost, and how often labelled samples are seen."""

from dataclasses import replace

import numpy as np
import pytest

from hintlite.errors import DataError, HintliteError
from hintlite.pipeline.data.few_labels import (
    NO_LABEL,
    labelled_again_and_again,
    with_few_labels,
)
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.settings.data import DataConfig
from hintlite.pipeline.settings.quantize import QuantizeConfig
from hintlite.pipeline.settings.run import RunConfig
from hintlite.pipeline.settings.training import TrainingConfig

LABELS = 30


@pytest.fixture(scope="module")
def digits():
    return load_training(DataConfig(limit=300, calibration_samples=20))


def test_as_many_labels_of_each_class_stay_and_those_of_validation_all(digits):
    few = with_few_labels(digits, LABELS, seed=0)
    kept = few.labels[few.train] != NO_LABEL
    assert np.bincount(few.labels[few.train][kept]).tolist() == [3] * 10
    np.testing.assert_array_equal(few.labels[few.train][kept], digits.labels[digits.train][kept])
    np.testing.assert_array_equal(few.labels[few.validation], digits.labels[digits.validation])
    again = with_few_labels(digits, LABELS, seed=0)
    np.testing.assert_array_equal(few.labels, again.labels)
    assert (with_few_labels(digits, LABELS, seed=1).labels != few.labels).any()
    assert with_few_labels(digits, None, seed=0) is digits


@pytest.mark.parametrize("count", [9, 10_000])
def test_too_few_and_too_many_are_refused(digits, count):
    with pytest.raises(DataError, match=f"training.labels is {count}: expected at least one"):
        with_few_labels(digits, count, seed=0)


def test_labelled_rows_fill_an_epoch(digits):
    few = with_few_labels(digits, LABELS, seed=0)
    rows, times = np.unique(labelled_again_and_again(few), return_counts=True)
    assert times.sum() == len(few.train)
    assert len(rows) == LABELS
    assert times.max() - times.min() <= 1
    assert (few.labels[rows] != NO_LABEL).all()


def test_a_sample_without_a_label_costs_nothing_on_labels():
    from hintlite.pipeline.methods.base import Batch, cross_entropy

    logits = np.array([[2.0, 0.0, 1.0], [0.5, 0.1, 0.3]], np.float32)
    batch = Batch({"logits": logits}, {}, np.array([2, NO_LABEL]), np.arange(2), True)
    expected = -np.log(np.exp(logits[0, 2]) / np.exp(logits[0]).sum())
    np.testing.assert_allclose(cross_entropy(batch), [expected, 0.0], rtol=1e-6)
    smooth = 0.9 * expected - 0.1 * np.log(np.exp(logits[0]) / np.exp(logits[0]).sum()).mean()
    np.testing.assert_allclose(cross_entropy(batch, 0.1), [smooth, 0.0], rtol=1e-6)


def test_an_arm_without_a_teacher_sees_labelled_samples_alone(digits, tiny_pair):
    from hintlite.pipeline.methods.kd import KD
    from hintlite.pipeline.methods.scratch import Scratch
    from hintlite.pipeline.settings.methods import KDConfig
    from hintlite.pipeline.training.train import Job

    teacher, student = tiny_pair
    few = with_few_labels(digits, LABELS, seed=0)
    job = Job(
        student=student,
        method=Scratch(),
        teacher=teacher,
        data=few,
        augmentation=DataConfig().augmentation,
        config=TrainingConfig(batch_size=16),
        seed=0,
        folder=None,
    )
    taught = replace(job, method=KD(KDConfig()))
    labels = {
        name: np.concatenate([y for _, y in each.batches.training(0, 0, 1, {})])
        for name, each in {"alone": job, "taught": taught}.items()
    }
    assert (labels["alone"] != NO_LABEL).all()
    assert (labels["taught"] == NO_LABEL).sum() == len(few.train) - LABELS
    assert len(labels["alone"]) == len(labels["taught"]) == len(few.train)


def test_what_needs_every_label_is_refused():
    from hintlite.pipeline.methods import check_arm

    few = TrainingConfig(labels=LABELS)
    with pytest.raises(HintliteError, match="crd needs the label of every training sample"):
        check_arm("crd+kd", RunConfig(training=few))
    check_arm("hint+kd", RunConfig(training=few))
    with pytest.raises(HintliteError, match="class_weights out"):
        TrainingConfig(labels=LABELS, class_weights="balanced")
    with pytest.raises(HintliteError, match="take ptq or mixed"):
        RunConfig(training=few, quantize=QuantizeConfig(method="qat"))
