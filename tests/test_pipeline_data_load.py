"""The division of a data set, and the test part behind its own door."""

import dataclasses
import time

import numpy as np
import pytest

from hintlite.errors import DataError
from hintlite.pipeline.data.held_out import load_test
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.data.sources.arrays import from_arrays
from hintlite.pipeline.data.splits import Splits
from hintlite.pipeline.data.training_data import fingerprint
from hintlite.pipeline.settings.data import AugmentConfig, DataConfig

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (200, 6, 5, 1), dtype=np.uint8)
Y = np.repeat([0, 1, 2], [100, 60, 40])
SOURCE = from_arrays(X, Y)
WITH_TEST = from_arrays(X, Y, (X[:9], Y[:9]))
CONFIG = DataConfig(calibration_samples=30)


def test_parts_are_disjoint_and_complete():
    data = load_training(CONFIG, SOURCE)
    splits = data.split_indices()
    everything = np.concatenate([splits.train, splits.validation, splits.test])
    assert sorted(everything.tolist()) == list(range(200))
    assert set(splits.calibration) <= set(splits.train)
    assert len(data.images) == 160  # the test part is not in it
    assert np.array_equal(data.images, X[data.source_rows])


def test_parts_are_stratified_and_calibration_is_balanced():
    data = load_training(CONFIG, SOURCE)
    splits = data.split_indices()
    assert np.bincount(Y[splits.test]).tolist() == [20, 12, 8]
    assert np.bincount(Y[splits.validation]).tolist() == [8, 5, 3]
    assert np.bincount(Y[splits.train]).tolist() == [72, 43, 29]
    assert np.bincount(Y[splits.calibration]).tolist() == [10, 10, 10]


def test_the_same_settings_divide_alike_and_another_seed_does_not():
    first, again = (load_training(CONFIG, SOURCE).split_indices() for _ in range(2))
    other = load_training(dataclasses.replace(CONFIG, split_seed=1), SOURCE).split_indices()
    for part in ("train", "validation", "calibration", "test"):
        assert np.array_equal(getattr(first, part), getattr(again, part))
        assert not np.array_equal(getattr(first, part), getattr(other, part))


def test_limit_is_stratified_and_moves_nobody_into_the_test_part():
    whole = load_training(CONFIG, SOURCE)
    part = load_training(dataclasses.replace(CONFIG, limit=80), SOURCE)
    assert np.bincount(part.labels).tolist() == [40, 24, 16]
    assert len(part.train) + len(part.validation) == 80
    assert np.array_equal(part.test_rows, whole.test_rows)


@pytest.mark.parametrize("limit", [5, 161])
def test_an_impossible_limit_is_refused(limit):
    with pytest.raises(DataError, match=rf"data\.limit is {limit}, expected 6 .* to 160"):
        load_training(dataclasses.replace(CONFIG, limit=limit), SOURCE)


def test_the_smallest_limit_has_every_class_in_both_parts():
    tiny = dataclasses.replace(CONFIG, limit=6, calibration_samples=3)
    data = load_training(tiny, SOURCE)
    assert np.bincount(data.labels[data.train]).tolist() == [1, 1, 1]
    assert np.bincount(data.labels[data.validation]).tolist() == [1, 1, 1]


def test_more_calibration_samples_than_there_are_means_all_of_them():
    data = load_training(DataConfig(), SOURCE)
    assert np.array_equal(data.calibration, data.train)
    assert "calibration: all 144 training samples, since there are no 256" in data.notes[-1]
    assert not any("calibration" in note for note in load_training(CONFIG, SOURCE).notes)


def test_a_copy_on_both_sides_of_the_division_is_counted():
    whole = load_training(CONFIG, SOURCE)
    source_rows = whole.split_indices()
    images = X.copy()
    images[source_rows.validation[:3]] = images[source_rows.train[0]]
    found = [
        note for note in load_training(CONFIG, from_arrays(images, Y)).notes if "copies" in note
    ]
    assert found[0].startswith("copies: 3 of the 16 validation samples are in the training part")
    assert not any("copies" in note for note in whole.notes)


def test_the_name_that_python_gives_travels_with_the_samples():
    assert load_training(CONFIG, from_arrays(X, Y, name="my data")).name == "my data"
    assert load_training(DataConfig(limit=100)).name == "digits"


def test_normalization_comes_from_the_training_part_alone():
    floats = X / 255 + np.where(np.arange(200) % 2, 0.5, 0.0)[:, None, None, None]
    for kind in ("unit", "standard"):  # to 1.5: no range of pictures
        config = dataclasses.replace(CONFIG, normalization=kind)
        data = load_training(config, from_arrays(floats, Y))
        train = floats[data.split_indices().train].astype(np.float32).astype(np.float64)
        mean, std = (train.min(), np.ptp(train)) if kind == "unit" else (train.mean(), train.std())
        np.testing.assert_allclose(data.normalization.mean, [mean], rtol=1e-9)
        np.testing.assert_allclose(data.normalization.std, [std], rtol=1e-9)


def test_normalized_are_the_rows_asked_for():
    data = load_training(CONFIG, SOURCE)
    expected = X[data.source_rows[[5, 2]]].astype(np.float32) / np.float32(255)
    np.testing.assert_allclose(data.normalized(np.array([5, 2])), expected, atol=1e-7)


def test_the_division_comes_back_from_the_runs_folder(tmp_path):
    splits = load_training(CONFIG, SOURCE).split_indices()
    splits.save(tmp_path / "splits.npz")
    assert np.array_equal(Splits.load(tmp_path / "splits.npz").test, splits.test)


def test_overlapping_parts_cannot_be_made():
    data = load_training(CONFIG, SOURCE)
    with pytest.raises(DataError, match="is in train and validation"):
        dataclasses.replace(data, validation=data.train[:3])
    with pytest.raises(DataError, match="is not in train"):
        dataclasses.replace(data, calibration=data.validation)
    with pytest.raises(DataError, match="is in train and test"):
        dataclasses.replace(data, test_rows=data.source_rows[data.train[:1]])


@pytest.mark.parametrize("name", ["shift", "cutout"])
def test_augmentation_larger_than_the_image_is_refused(name):
    load_training(dataclasses.replace(CONFIG, augmentation=AugmentConfig(**{name: 4})), SOURCE)
    with pytest.raises(DataError, match=rf"augmentation\.{name} is 5 .*6 x 5; set it below 5"):
        load_training(dataclasses.replace(CONFIG, augmentation=AugmentConfig(**{name: 5})), SOURCE)


# --- the test part --------------------------------------------------------------------------------


def test_the_part_set_aside_is_what_training_left():
    data = load_training(CONFIG, SOURCE)
    test = load_test(CONFIG, data, SOURCE)
    assert np.array_equal(test.rows, np.setdiff1d(np.arange(200), data.source_rows))
    assert np.array_equal(test.images, X[test.rows])
    assert np.array_equal(test.labels, Y[test.rows])


def test_an_own_test_set_leaves_all_samples_to_training():
    data = load_training(CONFIG, WITH_TEST)
    assert len(data.images) == 200
    assert data.split_indices().test.size == 0
    assert np.array_equal(load_test(CONFIG, data, WITH_TEST).images, X[:9])


def test_a_source_that_changed_since_training_is_noticed():
    data = load_training(CONFIG, SOURCE)
    with pytest.raises(DataError, match="have changed; train again"):
        load_test(dataclasses.replace(CONFIG, split_seed=1), data, SOURCE)
    with pytest.raises(DataError, match="have changed; train again"):
        load_test(CONFIG, data, from_arrays(X[:-10], Y[:-10]))


# --- the fingerprint ------------------------------------------------------------------------------


def test_the_fingerprint_follows_every_part_of_the_content():
    images, labels, names = X, Y.astype(np.int64), ("a", "b", "c")
    changed_image, changed_label = images.copy(), labels.copy()
    changed_image[3, 2, 1, 0] ^= 1
    changed_label[7] = 2
    marks = [
        fingerprint(images, labels, names),
        fingerprint(changed_image, labels, names),
        fingerprint(images, changed_label, names),
        fingerprint(images, labels, ("a", "b", "d")),
        fingerprint(images.transpose(0, 2, 1, 3), labels, names),
        fingerprint(images.view(np.int8), labels, names),
        fingerprint(images.reshape(200, 5, 6, 1), labels, names),
    ]
    assert len(set(marks)) == len(marks)
    assert marks[0] == fingerprint(images.copy(), labels, list(names))


def test_the_fingerprint_of_sixty_thousand_pictures_is_quick():
    images = np.zeros((60_000, 28, 28, 1), np.uint8)
    started = time.perf_counter()
    fingerprint(images, np.zeros(60_000, np.int64), ("a",))
    assert time.perf_counter() - started < 1.0
