"""Batches: content, order, going on after an interruption, and Keras' own loop."""

import hashlib
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from hintlite.errors import DataError
from hintlite.pipeline.data.batches import evaluation_batches, steps_per_epoch, training_batches
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.data.normalization import Normalization
from hintlite.pipeline.data.sources.arrays import from_arrays
from hintlite.pipeline.settings.data import AugmentConfig, DataConfig

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (60, 6, 5, 2), dtype=np.uint8)
Y = np.arange(60) % 3
DATA = load_training(
    DataConfig(calibration_samples=6, normalization="standard"), from_arrays(X, Y, (X, Y))
)
NO_CHANGE = AugmentConfig()
EVERY_CHANGE = AugmentConfig(flip=True, shift=2, cutout=2)


def batches(augmentation=NO_CHANGE, data=DATA, **changes):
    settings = {"batch_size": 16, "seed": 7, "epochs": 2, **changes}
    dataset = training_batches(data, data.train, augmentation=augmentation, **settings)
    return list(dataset.as_numpy_iterator())


def expected(rows):
    """The rows of X, normalised by numpy."""
    mean, std = np.array(DATA.normalization.mean), np.array(DATA.normalization.std)
    return (X[rows] - mean) / std


def indices(elements):
    return [element[0]["index"].tolist() for element in elements]


def same(left, right):
    return all(
        np.array_equal(a[0]["image"], b[0]["image"]) and np.array_equal(a[1], b[1])
        for a, b in zip(left, right, strict=True)
    )


def test_images_are_exactly_the_normalised_rows():
    for x, labels in batches():
        assert x["image"].dtype == np.float32
        assert x["index"].dtype == labels.dtype == np.int64
        np.testing.assert_allclose(x["image"], expected(x["index"]), atol=1e-6)
        assert np.array_equal(labels, Y[x["index"]])


def test_each_epoch_has_every_row_once_in_its_own_order():
    order = indices(batches())
    assert [len(rows) for rows in order] == [16, 16, 16, 6] * 2
    first, second = ([row for rows in epoch for row in rows] for epoch in (order[:4], order[4:]))
    assert sorted(first) == sorted(second) == DATA.train.tolist()
    assert first != second
    assert first != sorted(first)


def test_seed_and_epoch_alone_decide():
    first = batches(EVERY_CHANGE)
    assert same(first, batches(EVERY_CHANGE))
    assert indices(first) == indices(batches())
    other = batches(EVERY_CHANGE, seed=8)
    assert indices(other) != indices(first)
    assert not same(other, first)


def test_a_resumed_training_sees_the_same_batches():
    whole = batches(EVERY_CHANGE, epochs=5)
    assert same(batches(EVERY_CHANGE, epochs=5, initial_epoch=3), whole[12:])
    assert not same(whole[8:12], whole[12:16])
    assert batches(epochs=2, initial_epoch=2) == []


def test_augmentation_differs_from_step_to_step_and_epoch_to_epoch():
    twins = load_training(
        DataConfig(calibration_samples=6), from_arrays(X[[0] * 60], Y, (X[:3], Y[:3]))
    )
    elements = batches(EVERY_CHANGE, twins, batch_size=54, epochs=2)
    images = np.concatenate([x["image"] for x, _ in elements])
    halves = batches(EVERY_CHANGE, twins, batch_size=27, epochs=1)
    steps = [x["image"] for x, _ in halves]
    assert not np.array_equal(images[:54], images[54:])
    assert not np.array_equal(steps[0], steps[1])


def test_augmented_images_still_belong_to_their_index():
    for x, labels in batches(AugmentConfig(flip=True)):
        plain = expected(x["index"])
        is_plain = np.isclose(x["image"], plain, atol=1e-6).all(axis=(1, 2, 3))
        is_mirror = np.isclose(x["image"], plain[:, :, ::-1], atol=1e-6).all(axis=(1, 2, 3))
        assert (is_plain | is_mirror).all()
        assert np.array_equal(labels, Y[x["index"]])


def test_pixels_that_come_in_are_raw_zeros():
    black = -np.array(DATA.normalization.mean) / np.array(DATA.normalization.std)
    x, _ = batches(AugmentConfig(shift=4))[0]
    added = np.isclose(x["image"], black, atol=1e-6).all(axis=-1)
    assert added.sum() > 100


def test_drop_remainder_leaves_out_the_small_batch():
    assert [len(rows) for rows in indices(batches(drop_remainder=True))] == [16] * 6


def test_extras_and_weights_are_gathered_along():
    hint = RNG.normal(size=(60, 2, 2, 3)).astype(np.float16)
    weights = RNG.uniform(size=60)
    for x, labels, weight in batches(extras={"hint": hint}, sample_weights=weights):
        assert x["hint"].dtype == np.float16
        assert np.array_equal(x["hint"], hint[x["index"]])
        assert np.array_equal(labels, Y[x["index"]])
        np.testing.assert_allclose(weight, weights[x["index"]], rtol=1e-6)


def test_the_shape_of_an_element_is_known():
    extras = {"logits": np.zeros((60, 3), np.float32)}
    dataset = training_batches(
        DATA, DATA.train, batch_size=16, seed=0, augmentation=EVERY_CHANGE, epochs=3, extras=extras
    )
    x, labels = dataset.element_spec
    assert x["image"] == tf.TensorSpec([None, 6, 5, 2], tf.float32)
    assert x["index"] == tf.TensorSpec([None], tf.int64)
    assert x["logits"] == tf.TensorSpec([None, 3], tf.float32)
    assert labels == tf.TensorSpec([None], tf.int64)
    assert int(dataset.cardinality()) == 12


def test_misaligned_arrays_are_refused():
    with pytest.raises(DataError, match="logits has 59 rows, expected 60"):
        batches(extras={"logits": np.zeros((59, 3))})
    with pytest.raises(DataError, match="sample_weights has 54 rows"):
        batches(sample_weights=np.ones(54))
    with pytest.raises(DataError, match="cannot be named 'index'"):
        batches(extras={"index": np.zeros(60)})


def test_a_batch_that_cannot_be_filled_is_refused():
    with pytest.raises(DataError, match="54 samples make no batch of 64; set batch_size to 54"):
        batches(batch_size=64, drop_remainder=True)
    assert [len(rows) for rows in indices(batches(batch_size=64))] == [54, 54]


@pytest.mark.parametrize(
    ("samples", "size", "drop", "steps"),
    [
        (60, 16, False, 4),
        (60, 16, True, 3),
        (64, 16, False, 4),
        (3, 16, False, 1),
        (3, 16, True, 0),
    ],
)
def test_steps_per_epoch(samples, size, drop, steps):
    assert steps_per_epoch(samples, size, drop) == steps


def test_evaluation_keeps_the_order_given():
    wanted = np.array([5, 3, 59, 0, 8])
    hint = np.arange(60)
    elements = list(
        evaluation_batches(X, Y, wanted, 2, DATA.normalization, {"hint": hint}).as_numpy_iterator()
    )
    assert indices(elements) == [[5, 3], [59, 0], [8]]
    for x, labels in elements:
        np.testing.assert_allclose(x["image"], expected(x["index"]), atol=1e-6)
        assert np.array_equal(labels, Y[x["index"]])
        assert np.array_equal(x["hint"], x["index"])


def test_evaluation_takes_float_images_and_no_rows():
    dataset = evaluation_batches(
        X.astype(np.float32) / 7, Y, np.arange(0), 8, Normalization((0.0, 0.0), (1.0, 1.0))
    )
    assert list(dataset) == []


class Recorder(keras.Model):
    """Notes which rows it was trained on."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def train_step(self, data):
        x, _ = data
        self.seen.append(x["index"].numpy().tolist())
        return {"loss": 0.0}


def fitted(initial_epoch):
    model = Recorder()
    model.compile(optimizer="sgd", loss="mse", run_eagerly=True)
    dataset = training_batches(
        DATA,
        DATA.train,
        batch_size=16,
        seed=7,
        augmentation=EVERY_CHANGE,
        epochs=3,
        initial_epoch=initial_epoch,
    )
    steps = steps_per_epoch(len(DATA.train), 16)
    model.fit(dataset, epochs=3, initial_epoch=initial_epoch, steps_per_epoch=steps, verbose=0)
    return model.seen


def test_keras_runs_through_the_epochs_and_goes_on_in_the_middle(recwarn):
    whole = fitted(0)
    assert whole == indices(batches(EVERY_CHANGE, epochs=3))
    assert fitted(2) == whole[8:]
    assert not [warning for warning in recwarn if "ran out of data" in str(warning.message)]


def content_hash():
    """Hash of two epochs with all changes."""
    digest = hashlib.sha256()
    for x, labels in batches(EVERY_CHANGE):
        digest.update(x["image"].tobytes() + x["index"].tobytes() + labels.tobytes())
    return digest.hexdigest()


@pytest.mark.processes
def test_another_process_with_deterministic_operations_sees_the_same():
    program = (
        "import tensorflow as tf; tf.config.experimental.enable_op_determinism(); "
        "import test_pipeline_data_batches as t; print(t.content_hash())"
    )
    here = Path(__file__).parent
    path = {"PYTHONPATH": f"{here}:{here.parent}", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=path, check=True
    )
    assert done.stdout.split()[-1] == content_hash()
