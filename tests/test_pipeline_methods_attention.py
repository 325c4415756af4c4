"""Attention transfer against numpy, and on networks that differ in everything."""

import numpy as np
import pytest
from uneven_networks import built, fitted, tensors, uneven_pair, weights

from hintlite.errors import SettingsError
from hintlite.pipeline.methods.attention import Attention
from hintlite.pipeline.methods.base import Batch, MethodError
from hintlite.pipeline.settings.methods import AttentionConfig
from hintlite.pipeline.settings.run import RunConfig

RNG = np.random.default_rng(4)
STUDENT = {
    "a": RNG.normal(size=(4, 6, 4, 3)).astype(np.float32),
    "b": RNG.normal(size=(4, 3, 2, 5)).astype(np.float32),
}
TEACHER = {
    "x": 2.0 * RNG.normal(size=(4, 3, 4, 7)).astype(np.float32),
    "y": 1.0 + RNG.normal(size=(4, 6, 2, 2)).astype(np.float32),
}
SHAPES = [{name: (None, *x.shape[1:]) for name, x in maps.items()} for maps in (TEACHER, STUDENT)]
PAIRS = {"a": "x", "b": "y"}


def halved(x):
    return (x[:, 0::2] + x[:, 1::2]) / 2


def attention(x, power=2):
    flat = (np.abs(x.astype(np.float64)) ** power).mean(axis=-1).reshape(len(x), -1)
    return flat / np.sqrt((flat**2).sum(axis=1, keepdims=True))


def batch(student=STUDENT, teacher=TEACHER):
    return Batch(tensors(student), tensors(teacher), np.zeros(4, int), np.arange(4), True)


def test_loss_is_the_papers_summed_over_the_pairs():
    method = Attention(AttentionConfig(), PAIRS)
    method.build(*SHAPES, 4)
    loss = np.asarray(method.attention_loss(batch()))
    pairs = [(halved(STUDENT["a"]), TEACHER["x"]), (STUDENT["b"], halved(TEACHER["y"]))]
    each = [((attention(s) - attention(t)) ** 2).mean(axis=1) for s, t in pairs]
    np.testing.assert_allclose(loss, each[0] + each[1], rtol=1e-4)
    without_square = sum(((attention(s, 1) - attention(t, 1)) ** 2).mean(1) for s, t in pairs)
    late = [(STUDENT["a"], np.repeat(TEACHER["x"], 2, axis=1)), pairs[1]]  # the teacher enlarged
    enlarged = sum(((attention(s) - attention(t)) ** 2).mean(1) for s, t in late)
    for wrong in (without_square, enlarged, (each[0] + each[1]) / 2):
        assert np.abs(wrong / loss - 1).max() > 0.01


def test_equal_attention_costs_nothing_however_strong_it_is():
    method = Attention(AttentionConfig(), {"a": "a"})
    method.build(SHAPES[1], SHAPES[1], 4)
    stronger = {name: 5 * x for name, x in STUDENT.items()}
    np.testing.assert_allclose(method.attention_loss(batch(STUDENT, stronger)), 0, atol=1e-9)
    assert np.isfinite(method.attention_loss(batch(STUDENT, {"a": 0 * STUDENT["a"]}))).all()


def test_maps_of_one_place_are_refused():
    method = Attention(AttentionConfig(), {"a": "x"})
    with pytest.raises(MethodError, match=r"\(a and x\) meets at a map of one place"):
        method.build({"x": (None, 1, 1, 8)}, {"a": (None, 4, 4, 8)}, 4)


def test_it_is_weighed_beside_the_labels_and_summed_with_others():
    teacher, student = uneven_pair()
    method, phases = built("attention", teacher, student)
    assert method.pairs == {"stage1": "stage2", "stage2": "stage3"}
    assert [(term.name, term.weight) for term in phases["task"].terms] == [
        ("ce", 1.0),
        ("attention", 1000.0),
    ]
    _, summed = built("hint+kd+attention", teacher, student, hint=pooled_hint())
    assert list(summed) == ["pretrain", "task"]
    assert {term.name for term in summed["task"].terms} == {"ce", "kd", "attention"}


def pooled_hint():
    from hintlite.pipeline.settings.methods import HintConfig

    return HintConfig(regressor="pooled")


def test_it_trains_the_student_and_leaves_the_teacher():
    teacher, student = uneven_pair()
    _, phases = built("attention+kd", teacher, student)
    before = weights(teacher), weights(student)
    history = fitted(student, phases["task"], teacher)
    assert history["attention"][-1] < history["attention"][0]
    for path, value in weights(teacher).items():
        np.testing.assert_array_equal(value, before[0][path])
    assert all((value != before[1][path]).any() for path, value in weights(student).items())


def test_settings_that_leave_nothing_of_it_are_refused():
    with pytest.raises(SettingsError, match=r"attention\.weight must be above 0"):
        AttentionConfig(weight=0.0)
    assert RunConfig(arms=("attention+kd",)).attention.weight == 1000.0
