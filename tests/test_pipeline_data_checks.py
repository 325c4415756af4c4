"""Every check of classes, in the direction in which it fails."""

import numpy as np
import pytest

from hintlite.errors import DataError
from hintlite.pipeline.data.checks import (
    check_class_names,
    check_enough,
    check_range,
)


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
    with pytest.raises(DataError, match=r"'b' \(label 1\) has 2 samples; expected 3"):
        check_enough(np.array([0, 0, 0, 1, 1]), ("a", "b"), parts, "here")
    with pytest.raises(DataError, match=r"'b' \(label 1\) has 0 samples.*without gaps"):
        check_enough(np.array([0, 0, 0, 2, 2, 2]), ("a", "b", "c"), parts, "here")


def test_all_classes_that_are_too_small_are_named():
    with pytest.raises(DataError, match=r"'b' \(label 1\) has 1, 'c' \(label 2\) has 1 samples"):
        check_enough(np.array([0, 0, 1, 2]), ("a", "b", "c"), ("train", "validation"), "here")


def test_a_single_class_is_refused():
    with pytest.raises(DataError, match=r"only one class \(cat\)"):
        check_enough(np.zeros(9, np.int64), ("cat",), ("train",), "here")
