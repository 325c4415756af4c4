"""The contrastive loss against numpy, the bank's memory, and a training that is resumed."""

import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
from uneven_networks import X, Y, built, fitted, tensors, uneven_pair, weights

from hintlite.errors import SettingsError
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.methods.base import Batch, tap_shapes
from hintlite.pipeline.methods.crd import CRD
from hintlite.pipeline.methods.memory_bank import MemoryBank, Rows
from hintlite.pipeline.settings.data import AugmentConfig, DataConfig
from hintlite.pipeline.settings.methods import CRDConfig
from hintlite.pipeline.settings.training import TrainingConfig
from hintlite.pipeline.training.distiller import Distiller
from hintlite.pipeline.training.drop_regressor import drop_regressor
from hintlite.pipeline.training.train import Job, Watcher, train

RNG = np.random.default_rng(9)
SAMPLES, K, T = 9, 40, 0.3
CONFIG = CRDConfig(negatives=K, dim=4, temperature=T, momentum=0.25)
STUDENT = RNG.normal(size=(6, 3, 3, 5)).astype(np.float32)
TEACHER = 1.0 + 2.0 * RNG.normal(size=(6, 2, 2, 7)).astype(np.float32)
LABELS = np.array([0, 1, 2, 0, 1, 1])
INDEX = np.array([4, 0, 7, 2, 8, 5])  # rows 1, 3 and 6 are not trained on


def method():
    keras.utils.set_random_seed(1)
    crd = CRD(CONFIG, "a", "x", seed=5)
    crd.build({"x": (None, 2, 2, 7)}, {"a": (None, 3, 3, 5)}, SAMPLES)
    crd.embed_student.bias.assign(RNG.normal(size=4))
    return crd


def batch(rows=slice(None), training=True, index=INDEX):
    student, teacher = tensors({"a": STUDENT[rows]}), tensors({"x": TEACHER[rows]})
    index = keras.ops.convert_to_tensor(index[rows], "int64")
    return Batch(student, teacher, LABELS[rows], index, training)


def unit(x):
    return x / np.sqrt((x**2).sum(axis=1, keepdims=True))


def embedded(layer, maps):
    kernel, bias = (w.numpy().astype(np.float64) for w in layer.weights)
    return unit(maps.astype(np.float64).mean(axis=(1, 2)) @ kernel + bias)


def drawn(crd):
    """What the next step will draw: two arrays `[K, 4]` and the classes `[K]`."""
    rows, classes = crd.bank.draw(K)
    return np.asarray(rows.student, np.float64), np.asarray(rows.teacher, np.float64), classes


def one_direction(anchor, own, negatives, others, z):
    """The loss as the paper's code writes it: P / (P + m Pn) with Pn = 1 / n."""
    losses = np.zeros(len(anchor))
    for i, vector in enumerate(anchor):
        m = others[i].sum()
        noise = m / SAMPLES
        positive = np.exp(vector @ own[i] / T) / z
        negative = np.exp(negatives[others[i]] @ vector / T) / z
        losses[i] = -np.log(positive / (positive + noise))
        losses[i] -= np.log(noise / (negative + noise)).sum()
    return losses


def z_of(anchor, negatives):
    """n times the mean of exp(a b / T), all drawn rows being negatives at the first step."""
    return SAMPLES * np.exp(anchor @ negatives.T / T).mean()


def test_loss_is_the_papers_in_both_directions_at_first_and_later():
    crd = method()
    student, teacher = embedded(crd.embed_student, STUDENT), embedded(crd.embed_teacher, TEACHER)
    remembered_s, remembered_t, classes = drawn(crd)
    assert (np.asarray(classes) == -1).all()
    np.testing.assert_allclose((remembered_s**2).sum(axis=1), 1.0, rtol=1e-5)
    everything = np.ones((6, K), bool)
    z = z_of(student, remembered_t), z_of(teacher, remembered_s)
    assert abs(z[0] / z[1] - 1) > 0.01  # the two directions differ
    expected = one_direction(student, teacher, remembered_t, everything, z[0])
    expected = expected + one_direction(teacher, student, remembered_s, everything, z[1])
    np.testing.assert_allclose(crd.contrast_loss(batch()), expected, rtol=1e-4)

    crd.embed_student.kernel.assign(RNG.normal(size=(5, 4)))  # the student has moved meanwhile
    moved = embedded(crd.embed_student, STUDENT)
    remembered_s, remembered_t, classes = drawn(crd)
    others = np.asarray(classes)[None, :] != LABELS[:, None]
    assert 0 < others.sum(axis=1).min() < K
    expected = one_direction(moved, teacher, remembered_t, others, z[0])
    expected = expected + one_direction(teacher, student, remembered_s, others, z[1])
    np.testing.assert_allclose(crd.contrast_loss(batch()), expected, rtol=1e-4)
    mixed = unit(0.25 * student + 0.75 * moved)
    rows = np.asarray(crd.bank.row_of)[INDEX]
    np.testing.assert_allclose(np.asarray(crd.bank.student)[rows], mixed, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(np.asarray(crd.bank.teacher)[rows], teacher, rtol=1e-3, atol=1e-5)


def test_negatives_are_samples_of_other_classes_that_were_trained_on():
    crd = method()
    crd.contrast_loss(batch(slice(0, 4)))
    student = embedded(crd.embed_student, STUDENT)
    assert np.asarray(crd.bank.filled) == 4
    rows, _, classes = drawn(crd)
    for row, label in zip(rows, np.asarray(classes), strict=True):
        (sample,) = np.flatnonzero(np.abs(student - row).max(axis=1) < 1e-5)
        assert sample < 4
        assert LABELS[sample] == label
    assert set(np.asarray(classes)) == {0, 1, 2}
    own_class = np.asarray(classes) == LABELS[0]
    before = np.asarray(crd.contrast_loss(batch(slice(0, 1), training=False)))
    for sample in (0, 3):  # both of class 0: what the bank holds of them is no negative of sample 0
        assert LABELS[sample] == 0
    row = np.asarray(crd.bank.row_of)[INDEX[3]]
    crd.bank.teacher.assign(np.where(np.arange(SAMPLES)[:, None] == row, 0.5, crd.bank.teacher))
    assert own_class.any()
    after = np.asarray(crd.contrast_loss(batch(slice(0, 1), training=False)))
    np.testing.assert_array_equal(before, after)
    other = np.asarray(crd.bank.row_of)[INDEX[1]]
    crd.bank.teacher.assign(np.where(np.arange(SAMPLES)[:, None] == other, 0.5, crd.bank.teacher))
    assert (before != np.asarray(crd.contrast_loss(batch(slice(0, 1), training=False)))).all()


def test_draws_are_uniform_and_depend_on_seed_and_step_alone():
    banks = [MemoryBank(50, 3, 0.5, seed) for seed in (1, 1, 2)]
    one, same, other = (np.asarray(bank.draw(1000)[0].student) for bank in banks)
    np.testing.assert_array_equal(one, same)
    np.testing.assert_array_equal(banks[0].draw(1000)[0].student, one)
    assert (one != other).any()
    embeddings = np.asarray(keras.ops.normalize(RNG.normal(size=(20, 3)), axis=1), np.float32)
    index, labels = np.arange(20, 40), np.arange(20)
    banks[0].remember(index, labels, Rows(embeddings, embeddings))
    first, again = (np.asarray(banks[0].draw(4000)[1]) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    counts = np.bincount(first, minlength=20)
    assert counts.min() > 140  # of 200 expected, with a deviation of 14
    assert counts.max() < 260
    banks[0].remember(index, labels, Rows(embeddings, embeddings))
    assert (np.asarray(banks[0].draw(4000)[1]) != first).any()


def test_evaluation_remembers_nothing_and_takes_the_sample_for_its_own_positive():
    crd = method()
    crd.contrast_loss(batch(slice(0, 4)))
    before = [v.numpy() for v in crd.bank.variables]
    one = np.asarray(crd.contrast_loss(batch(training=False)))
    other = np.asarray(crd.contrast_loss(batch(training=False, index=np.full(6, -1))))
    for variable, value in zip(crd.bank.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    np.testing.assert_allclose(one, other, rtol=1e-4)  # the rows hold just these embeddings
    assert np.isfinite(method().contrast_loss(batch(training=False))).all()


def test_samples_without_an_index_are_refused_in_training():
    teacher, student = uneven_pair()
    _, phases = built("crd", teacher, student, crd=CONFIG)
    distiller = Distiller(student, phases["task"], teacher)
    distiller.compile(optimizer="sgd", run_eagerly=True)
    assert np.isfinite(distiller.evaluate(X, Y, verbose=0)).all()
    with pytest.raises(Exception, match="does not say which rows it holds"):
        distiller.fit(X, Y, verbose=0)


def test_it_trains_student_and_maps_and_leaves_only_the_student():
    teacher, student = uneven_pair()
    crd, phases = built("crd+kd", teacher, student, crd=CONFIG)
    assert (crd.methods[0].student_tap, crd.methods[0].teacher_tap) == ("stage2", "stage3")
    extras = phases["task"].extras
    before = weights(teacher), weights(student)
    maps = [weights(extra) for extra in extras]
    assert set(fitted(student, phases["task"], teacher)) >= {"ce", "kd", "crd"}
    for path, value in weights(teacher).items():
        np.testing.assert_array_equal(value, before[0][path])
    assert all((value != before[1][path]).any() for path, value in weights(student).items())
    for old, extra in zip(maps, extras, strict=True):
        assert all((value != old[path]).any() for path, value in weights(extra).items())
    assert [v.path for extra in extras[2:] for v in extra.trainable_variables] == []
    assert drop_regressor(student, extras).count_params() == student.count_params()


class Stopped(Watcher):
    """Keeps the folder as a kill in the midst of the second epoch would leave it."""

    def __init__(self, folder):
        self.folder = folder

    def step(self, phase, epoch, epochs, step, steps):
        if (epoch, step) == (2, 2):
            shutil.copytree(self.folder, self.folder.with_name("b"))


def job(data, folder):
    teacher, student = uneven_pair()
    crd = CRD(replace(CONFIG, negatives=64), "stage2", "stage3", seed=0)
    crd.build(tap_shapes(teacher), tap_shapes(student), len(data.images))
    folder.mkdir(exist_ok=True)
    training = TrainingConfig(epochs=2, batch_size=32)
    return Job(student, crd, teacher, data, AugmentConfig(shift=1), training, 0, folder)


@pytest.mark.whole
def test_a_resumed_training_draws_and_remembers_what_it_would_have_anyway(tmp_path):
    data = load_training(DataConfig(limit=90, calibration_samples=10))
    data = replace(data, labels=data.labels % 4, class_names=("0", "1", "2", "3"))
    undisturbed = job(data, tmp_path / "a")
    history = train(replace(undisturbed, watcher=Stopped(undisturbed.folder)))
    assert (tmp_path / "b" / "checkpoint.npz").exists()
    resumed = job(data, tmp_path / "b")
    for row, expected in zip(train(resumed), history, strict=True):
        assert row.pop("phase") == expected.pop("phase")
        assert row == pytest.approx(expected, rel=1e-3)
    layers = [undisturbed.student, *undisturbed.method.phases()["task"].extras]
    others = [resumed.student, *resumed.method.phases()["task"].extras]
    for one, other in zip(layers, others, strict=True):
        for value, again in zip(one.variables, other.variables, strict=True):
            np.testing.assert_allclose(value, again, rtol=1e-3, atol=1e-5, err_msg=value.path)
    bank = resumed.method.bank
    in_use = np.asarray(bank.row_of) >= 0
    assert np.flatnonzero(in_use).tolist() == data.train.tolist()
    np.testing.assert_array_equal(
        np.asarray(bank.classes)[np.asarray(bank.row_of)[in_use]], data.labels[data.train]
    )


def test_settings_that_cannot_work_are_refused():
    for wrong in (
        {"weight": 0.0},
        {"negatives": 0},
        {"dim": 1},
        {"temperature": 0.0},
        {"momentum": 1.0},
    ):
        with pytest.raises(SettingsError, match=f"crd.{next(iter(wrong))}"):
            CRDConfig(**wrong)
