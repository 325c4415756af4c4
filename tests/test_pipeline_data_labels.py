"""Labels of every form, and the tasks that are refused by their names."""

import numpy as np
import pytest

from hintlite.errors import DataError
from hintlite.pipeline.data.labels import numbered, read_labels


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, bool, np.float16, np.float64])
def test_whole_numbers_become_int64_without_an_axis_of_one(dtype):
    read = read_labels(np.array([[0], [1], [1]], dtype), 3, "here")
    assert read.values.dtype == np.int64
    assert read.values.tolist() == [0, 1, 1]
    assert ("whole numbers as float" in (read.note or "")) == (np.dtype(dtype).kind == "f")


def test_one_hot_rows_are_their_column():
    read = read_labels(np.array([[0, 0, 1], [1, 0, 0]], np.float32), 2, "here")
    assert read.values.tolist() == [2, 0]
    assert read.names == ("0", "1", "2")
    assert read.note == "labels: one-hot rows, taken for 3 classes"


@pytest.mark.parametrize("kind", ["U", "S", object])
def test_text_is_its_place_in_the_alphabet(kind):
    read = read_labels(np.array(["dog", "cat", "dog"]).astype(kind), 3, "here")
    assert read.values.tolist() == [1, 0, 1]
    assert read.names == ("cat", "dog")
    assert read.note == "labels: text, 2 classes: cat, dog"


def test_numbers_as_text_keep_their_order():
    assert read_labels(np.array(["10", "9", "-1"]), 3, "here").names == ("-1", "10", "9")
    assert read_labels(np.array(["10", "9", "0"]), 3, "here").names == ("0", "9", "10")


def test_many_classes_of_few_samples_are_told():
    labels = np.arange(96).repeat(12)
    read = read_labels(labels, len(labels), "here")
    assert read.note == "labels: taken for 96 classes, not for a quantity"
    assert read_labels(labels, len(labels), "here", [f"c{i}" for i in range(96)]).note is None
    assert read_labels(np.arange(10).repeat(9), 90, "here").note is None


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.array([0, 1, 1]), "4 images but 3 labels"),
        (np.array(3), "4 images but no list of labels"),
        (np.array([0, 1, -2, 1]), r"label -2 in row 2; classes .*y\.astype\(str\)"),
        (np.array([0.0, 1.5, 1, 0]), r"label 1\.5 in row 1 is a quantity.*regression"),
        (np.array([0, np.nan, 1, 0]), "label nan in row 1"),
        (np.array([[0, 1], [1, 1], [1, 0], [0, 1]]), r"2 ones in row 1.*multi-label"),
        (np.array([[0, 1], [0, 0], [1, 0], [0, 1]]), r"0 ones in row 1.*multi-label"),
        (np.array([[0.2, 0.8]] * 4), "regression.* or soft labels"),
        (np.zeros((4, 6, 6)), "masks"),
        (np.array([[0], [0, 1], [1], [1]], object), "Python objects"),
        (np.array([0, 1j, 1, 0]), "expected numbers or text"),
    ],
)
def test_other_tasks_are_refused_and_nothing_is_advised_that_loses_data(labels, said):
    with pytest.raises(DataError, match=f"here: .*{said}") as refused:
        read_labels(labels, 4, "here")
    for destroying in ("argmax", "int64", "round", "uint8"):
        assert destroying not in str(refused.value)


def test_only_numbers_without_gaps_are_names():
    assert numbered(np.array([1, 0, 2, 1]), "here") == ("0", "1", "2")
    with pytest.raises(DataError, match=r"labels are 0, 5, 1000000000000; no sample has 1,"):
        numbered(np.array([0, 5, 10**12]), "here")  # at once, whatever the numbers are
    with pytest.raises(DataError, match=r"and 15 more; no sample has 0,.*if they are a quantity"):
        numbered(np.arange(5, 30), "here")
