"""Losses of keras.distillation as methods."""

import keras
import numpy as np
import pytest
from keras.distillation import DistillationLoss, FeatureDistillation, LogitsDistillation

from hintlite.pipeline.methods.base import Batch, MethodError, Sum, tap_shapes, with_labels
from hintlite.pipeline.methods.kd import KD
from hintlite.pipeline.methods.keras_loss import KerasLoss
from hintlite.pipeline.settings.methods import KDConfig
from hintlite.pipeline.training.distiller import Distiller
from hintlite.pipeline.training.drop_regressor import drop_regressor

RNG = np.random.default_rng(3)
LOGITS = {"logits": (None, 4)}


def batch(student, teacher):
    return Batch(student, teacher, np.zeros(5, np.int64), np.arange(5), True)


def test_keras_divergence_is_kd_in_hintons_form():
    divergence = LogitsDistillation(temperature=4.0, loss=keras.losses.KLDivergence())
    method = KerasLoss(divergence)
    method.build(LOGITS, LOGITS, 5)
    student, teacher = (RNG.normal(size=(5, 4)).astype(np.float32) for _ in range(2))
    pair = batch({"logits": student}, {"logits": 3.0 * teacher})
    p, q = (np.exp(x / 4.0) for x in (3.0 * teacher.astype(np.float64), student))
    p, q = p / p.sum(axis=1, keepdims=True), q / q.sum(axis=1, keepdims=True)
    expected = 16.0 * (p * np.log(p / q)).sum(axis=1)
    ours = KD(KDConfig(temperature=4.0, tau_squared=True)).soft_loss(pair)
    np.testing.assert_allclose(method.batch_loss(pair), np.full(5, expected.mean()), rtol=1e-4)
    np.testing.assert_allclose(ours, expected, rtol=1e-4)
    assert [term.name for term in with_labels(method.phases()["task"]).terms] == [
        "ce",
        "keras_loss",
    ]


def test_features_are_compared_at_the_taps_that_are_named():
    shapes = {"a": (None, 2, 2, 3), "logits": (None, 4)}
    method = KerasLoss(FeatureDistillation(loss="mse"), 0.5, teacher_tap="a", student_tap="a")
    method.build(shapes, shapes, 5)
    student, teacher = (RNG.normal(size=(5, 2, 2, 3)).astype(np.float32) for _ in range(2))
    loss = method.batch_loss(batch({"a": student}, {"a": teacher}))
    np.testing.assert_allclose(loss, np.full(5, ((student - teacher) ** 2).mean()), rtol=1e-4)
    phase = method.phases()["task"]
    assert (phase.student_taps, phase.teacher_taps) == ({"a", "logits"}, {"a"})
    named = KerasLoss(FeatureDistillation("mse", teacher_layer_name="a", student_layer_name="b"))
    assert (named.teacher_tap, named.student_tap) == ("a", "b")


def test_what_keras_would_get_wrong_is_refused():
    with pytest.raises(MethodError, match="neither the softmax nor temperature"):
        KerasLoss(LogitsDistillation(temperature=4.0))
    one_channel = KerasLoss(FeatureDistillation("mse"), teacher_tap="a", student_tap="a")
    with pytest.raises(MethodError, match="element by element"):  # Keras broadcasts it
        one_channel.build({"a": (None, 2, 2, 3)}, {"a": (None, 2, 2, 1)}, 5)
    with pytest.raises(MethodError, match=r"teacher's tap 'b'; it has a"):
        KerasLoss(FeatureDistillation("mse"), teacher_tap="b").build({"a": (None, 1)}, {}, 5)
    two = KerasLoss(FeatureDistillation(["mse", "mse"]))
    with pytest.raises(MethodError, match="FeatureDistillation cannot compare"):
        two.build(LOGITS, LOGITS, 5)


class Projected(DistillationLoss):
    """The student's pooled features, projected to the teacher's."""

    def __init__(self, width):
        self.layers = {"project": keras.layers.Dense(width)}

    def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        student = self.layers["project"](keras.ops.mean(student_outputs, axis=(1, 2)))
        return keras.ops.square(student - keras.ops.mean(teacher_outputs, axis=(1, 2)))


def test_a_layer_of_the_loss_is_trained_and_left_behind(tiny_pair):
    teacher, student = tiny_pair
    taps = {"teacher_tap": "stage1", "student_tap": "stage1"}
    method = Sum([KD(KDConfig()), KerasLoss(Projected(6), **taps)])
    method.build(tap_shapes(teacher), tap_shapes(student), 12)
    phase = method.phases()["task"]
    (layer,) = phase.extras
    before = layer.get_weights()
    x, y = RNG.normal(size=(12, 8, 8, 1)).astype(np.float32), RNG.integers(0, 4, 12)
    distiller = Distiller(student, phase, teacher)
    distiller.compile(optimizer=keras.optimizers.SGD(0.1), run_eagerly=True)
    logs = distiller.fit(x, y, verbose=0).history
    assert set(logs) == {"loss", "ce", "kd", "keras_loss", "accuracy"}
    for old, new in zip(before, layer.get_weights(), strict=True):
        assert np.any(old != new)
    alone = drop_regressor(student, phase.extras)
    assert alone.count_params() == student.count_params()
