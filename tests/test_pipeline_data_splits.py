"""Stratified and balanced draws, and the indices that are kept."""

import numpy as np
import pytest

from hintlite.errors import DataError
from hintlite.pipeline.data.splits import Splits, balanced, random, stratified


def counts_of(labels, rows):
    return np.bincount(labels[rows], minlength=labels.max() + 1).tolist()


def test_each_class_has_its_share():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    rows = stratified(labels, 20, random(0, "test"))
    assert counts_of(labels, rows) == [12, 6, 2]
    assert rows.dtype == np.int64
    assert (np.diff(rows) > 0).all()


def test_remainders_go_to_the_largest():
    # of 7: exactly 2, 2, 3; of 5: 1.43, 1.43, 2.14, so the one left over goes to class 0
    labels = np.repeat([0, 1, 2], [10, 10, 15])
    assert counts_of(labels, stratified(labels, 7, random(0, "test"))) == [2, 2, 3]
    assert counts_of(labels, stratified(labels, 5, random(0, "test"))) == [2, 1, 2]


def test_a_rare_class_gets_one_and_keeps_one():
    labels = np.repeat([0, 1], [98, 2])
    assert counts_of(labels, stratified(labels, 10, random(0, "test"))) == [9, 1]
    assert counts_of(labels, stratified(labels, 99, random(0, "test"))) == [97, 1]
    assert counts_of(labels, stratified(labels, 10, random(0, "test"), least=2, keep=0)) == [8, 2]


def test_seed_and_purpose_alone_decide():
    labels = np.arange(300) % 3
    first = stratified(labels, 30, random(5, "test"))
    assert np.array_equal(first, stratified(labels, 30, random(5, "test")))
    assert not np.array_equal(first, stratified(labels, 30, random(6, "test")))
    assert not np.array_equal(first, stratified(labels, 30, random(5, "limit")))


def test_balanced_takes_the_same_of_each_class():
    labels = np.repeat([0, 1, 2], [50, 20, 10])
    assert counts_of(labels, balanced(labels, 30, random(0, "calibration"))) == [10, 10, 10]


def test_balanced_fills_up_from_larger_classes():
    labels = np.repeat([0, 1, 2], [50, 20, 4])
    assert counts_of(labels, balanced(labels, 30, random(0, "calibration"))) == [13, 13, 4]
    assert counts_of(labels, balanced(labels, 74, random(0, "calibration"))) == [50, 20, 4]
    assert sorted(counts_of(labels, balanced(labels, 2, random(0, "calibration")))) == [0, 1, 1]


def rows(*values):
    return np.array(values, np.int64)


def test_splits_come_back_from_their_file(tmp_path):
    splits = Splits(train=rows(0, 2, 5), validation=rows(1), calibration=rows(2), test=rows(3, 4))
    splits.save(tmp_path / "splits.npz")
    loaded = Splits.load(tmp_path / "splits.npz")
    assert loaded.train.tolist() == [0, 2, 5]
    assert loaded.validation.tolist() == [1]
    assert loaded.calibration.tolist() == [2]
    assert loaded.test.tolist() == [3, 4]
    assert [path.name for path in tmp_path.iterdir()] == ["splits.npz"]


def test_overlapping_parts_are_refused():
    with pytest.raises(DataError, match="row 1 is in train and test"):
        Splits(train=rows(0, 1), validation=rows(2), calibration=rows(0), test=rows(1))
    with pytest.raises(DataError, match="row 2 is in train and validation"):
        Splits(train=rows(0, 2), validation=rows(2), calibration=rows(0), test=rows())


def test_calibration_outside_of_train_is_refused():
    with pytest.raises(DataError, match="calibration row 2 is not in train"):
        Splits(train=rows(0, 1), validation=rows(2), calibration=rows(0, 2), test=rows())


@pytest.mark.parametrize("content", [b"", b"not an npz"])
def test_a_broken_file_of_splits_is_named(tmp_path, content):
    (tmp_path / "splits.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"splits\.npz: not a file of splits"):
        Splits.load(tmp_path / "splits.npz")
