"""Gram matrices between consecutive stages against numpy, and the two phases."""

import numpy as np
import pytest
from uneven_networks import built, fitted, tensors, uneven_pair, weights

from hintlite.errors import SettingsError
from hintlite.pipeline.methods.base import Batch, MethodError
from hintlite.pipeline.methods.fsp import FSP
from hintlite.pipeline.settings.methods import FSPConfig
from hintlite.pipeline.training.drop_regressor import drop_regressor

RNG = np.random.default_rng(6)
STUDENT = {
    "a": RNG.normal(size=(3, 6, 6, 2)).astype(np.float32),
    "b": RNG.normal(size=(3, 3, 3, 4)).astype(np.float32),
    "c": RNG.normal(size=(3, 3, 3, 5)).astype(np.float32),
}
TEACHER = {
    "x": 2.0 * RNG.normal(size=(3, 4, 4, 2)).astype(np.float32),
    "y": 1.0 + RNG.normal(size=(3, 4, 4, 4)).astype(np.float32),
    "z": RNG.normal(size=(3, 2, 2, 6)).astype(np.float32),
}
SHAPES = [{name: (None, *x.shape[1:]) for name, x in maps.items()} for maps in (TEACHER, STUDENT)]
PAIRS = {"a": "x", "b": "y", "c": "z"}


def pooled(x):
    return (x[:, ::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, ::2] + x[:, 1::2, 1::2]) / 4


def gram(first, second):
    n, h, w, _ = first.shape
    matrix = np.zeros((n, first.shape[3], second.shape[3]))
    for row in range(h):
        for column in range(w):
            place = slice(None), row, column
            matrix += first[place].astype(np.float64)[:, :, None] * second[place][:, None, :]
    return matrix / (h * w)


def batch():
    return Batch(tensors(STUDENT), tensors(TEACHER), np.zeros(3, int), np.arange(3), True)


def test_loss_is_the_mean_square_of_each_step_summed_over_the_steps():
    method = FSP(FSPConfig(), PAIRS)
    method.build(*SHAPES, 3)
    assert list(method.projections) == ["c"]  # the channels of the others agree
    kernel = RNG.normal(size=(1, 1, 5, 6)).astype(np.float32)
    method.projections["c"].set_weights([kernel])
    c = STUDENT["c"] @ kernel[0, 0]
    mine = [gram(pooled(STUDENT["a"]), STUDENT["b"]), gram(STUDENT["b"], c)]
    theirs = [gram(TEACHER["x"], TEACHER["y"]), gram(pooled(TEACHER["y"]), TEACHER["z"])]
    each = [((s - t) ** 2).mean(axis=(1, 2)) for s, t in zip(mine, theirs, strict=True)]
    loss = np.asarray(method.fsp_loss(batch()))
    np.testing.assert_allclose(loss, each[0] + each[1], rtol=1e-4)
    sums = [((s - t) ** 2).sum(axis=(1, 2)) for s, t in zip(mine, theirs, strict=True)]
    absolute = [abs(s - t).mean(axis=(1, 2)) for s, t in zip(mine, theirs, strict=True)]
    for wrong in (sum(sums), sum(absolute), sum(each) / 2):
        assert np.abs(wrong / loss - 1).max() > 0.01


def test_one_pair_of_stages_has_no_step_to_compare():
    with pytest.raises(MethodError, match="there is one pair, a and x"):
        FSP(FSPConfig(), {"a": "x"}).build(*SHAPES, 3)


def test_the_grams_come_first_and_alone_then_the_task():
    teacher, student = uneven_pair()
    method, phases = built("fsp", teacher, student, fsp=FSPConfig(epochs=3, learning_rate=0.01))
    assert list(phases) == ["pretrain", "task"]
    assert (phases["pretrain"].epochs, phases["pretrain"].learning_rate) == (3, 0.01)
    assert phases["pretrain"].student_taps == {"stage1", "stage2"}
    assert [term.name for term in phases["task"].terms] == ["ce"]
    assert phases["task"].extras == ()
    before = weights(teacher), weights(student)
    projections = [weights(extra) for extra in phases["pretrain"].extras]
    assert len(projections) == 2
    history = fitted(student, phases["pretrain"], teacher)
    assert history["fsp"][-1] < history["fsp"][0]
    for path, value in weights(teacher).items():
        np.testing.assert_array_equal(value, before[0][path])
    for path, value in weights(student).items():
        assert (value != before[1][path]).any() == ("stage" in path), path
    for old, extra in zip(projections, phases["pretrain"].extras, strict=True):
        assert all((value != old[path]).any() for path, value in weights(extra).items())
    alone = drop_regressor(student, method.projections.values())
    assert alone.count_params() == student.count_params()


def test_the_gram_loss_can_stay_on_beside_the_task():
    teacher, student = uneven_pair()
    _, phases = built("fsp+kd", teacher, student, fsp=FSPConfig(keep_weight=0.5))
    weighted = {term.name: term.weight for term in phases["task"].terms}
    assert weighted["fsp"] == 0.5
    assert len(phases["task"].extras) == 2
    assert set(fitted(student, phases["task"], teacher)) >= {"ce", "kd", "fsp", "accuracy"}


def test_settings_that_cannot_work_are_refused():
    for wrong in ({"epochs": 0}, {"learning_rate": 0.0}, {"keep_weight": -1.0}):
        with pytest.raises(SettingsError, match=f"fsp.{next(iter(wrong))}"):
            FSPConfig(**wrong)
