"""Every check of samples, in the direction in which it fails."""

import numpy as np
import pytest

from hintlite.errors import DataError
from hintlite.pipeline.data.checks import (
    check_class_names,
    check_enough,
    check_images,
    check_labels,
    check_range,
)

PICTURES = np.zeros((4, 6, 5, 3), np.uint8)


def test_images_without_channels_get_an_axis():
    checked = check_images(np.arange(24, dtype=np.uint8).reshape(2, 3, 4), "here")
    assert checked.shape == (2, 3, 4, 1)
    assert checked[1, 2, 3, 0] == 23


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floating_point_becomes_float32(dtype):
    assert check_images(np.ones((2, 3, 4, 7), dtype), "here").dtype == np.float32


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.zeros((4, 30), np.uint8), r"\[4, 30\], expected \[n, h, w\]"),
        (np.zeros((1, 2, 3, 4, 5), np.uint8), "reshape"),
        (np.zeros((0, 6, 5, 3), np.uint8), "not one value"),
        (np.zeros((4, 0, 5, 3), np.uint8), "not one value"),
        (np.zeros((4, 3, 32, 32), np.uint8), r"np\.moveaxis\(x, 1, -1\)"),
        (PICTURES.astype(np.int64), "int64, expected uint8"),
        (PICTURES.astype(bool), "bool, expected uint8"),
        (PICTURES.astype(str), "expected uint8"),
        (np.array([np.zeros(2), np.zeros(3)], object), r"np\.stack"),
    ],
)
def test_other_shapes_and_types_are_refused(images, said):
    with pytest.raises(DataError, match=f"here: .*{said}"):
        check_images(images, "here")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_the_first_row_that_is_not_finite_is_named(value):
    images = PICTURES.astype(np.float64)
    images[2, 1, 1, 0] = images[3] = value
    with pytest.raises(DataError, match=r"row 2 .*2 such rows"):
        check_images(images, "here")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, bool])
def test_labels_become_int64_without_an_axis_of_one(dtype):
    checked = check_labels(np.array([[0], [1], [1]], dtype), 3, "here")
    assert checked.dtype == np.int64
    assert checked.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.eye(4, dtype=np.int64), "argmax"),
        (np.array([0.0, 1, 1, 0]), "float64, expected whole numbers"),
        (np.array(["a", "b", "a", "b"]), "names as numbers"),
        (np.array([0, 1, 1]), "4 images but 3 labels"),
        (np.array([0, 1, -2, 1]), "label -2 in row 2"),
        (np.array([[0], [0, 1], [1], [1]], object), "Python objects"),
    ],
)
def test_labels_that_are_not_classes_are_refused(labels, said):
    with pytest.raises(DataError, match=f"here: .*{said}"):
        check_labels(labels, 4, "here")


@pytest.mark.parametrize(
    ("names", "said"),
    [(["a", "b", "a"], "2 classes are named 'a'"), (["a", " "], "' '"), (["a\nb"], "one line")],
)
def test_class_names_must_differ_and_fill_one_line(names, said):
    with pytest.raises(DataError, match=said):
        check_class_names(names, "here")


def test_a_label_without_a_class_is_named():
    check_range(np.array([0, 1, 2]), ("a", "b", "c"), "here")
    with pytest.raises(DataError, match=r"label 3 in row 1.*3 classes.*0 to 2"):
        check_range(np.array([0, 3, 2]), ("a", "b", "c"), "here")


def test_a_class_too_small_for_all_parts_is_named():
    parts = ("train", "validation", "test")
    check_enough(np.array([0, 1, 0, 1, 0, 1]), ("a", "b"), parts, "here")
    with pytest.raises(DataError, match=r"'b' \(label 1\) has 2 samples, expected 3"):
        check_enough(np.array([0, 0, 0, 1, 1]), ("a", "b"), parts, "here")
    with pytest.raises(DataError, match=r"'b' \(label 1\) has 0 samples.*without gaps"):
        check_enough(np.array([0, 0, 0, 2, 2, 2]), ("a", "b", "c"), parts, "here")


def test_a_single_class_is_refused():
    with pytest.raises(DataError, match=r"only one class \(cat\)"):
        check_enough(np.zeros(9, np.int64), ("cat",), ("train",), "here")
