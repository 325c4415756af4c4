"""The forms in which arrays of images are taken."""

import numpy as np
import pytest

from hintlite.errors import DataError
from hintlite.pipeline.data.images import check_samples

PICTURES = np.zeros((4, 6, 5, 3), np.uint8)


def test_grey_images_get_an_axis_of_channels():
    given = np.arange(2 * 8 * 9, dtype=np.uint8).reshape(2, 8, 9)
    checked, notes = check_samples(given, "here")
    assert checked.shape == (2, 8, 9, 1)
    assert np.array_equal(checked[..., 0], given)
    assert notes == ()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floating_point_becomes_float32(dtype):
    assert check_samples(np.ones((2, 3, 4, 7), dtype), "here")[0].dtype == np.float32


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([0, 17, 255], np.int64, np.uint8),
        ([0, 17, 255], np.uint16, np.uint8),
        ([False, True, True], np.bool_, np.uint8),
        ([0, 17, 256], np.int16, np.float32),
        ([-1, 17, 255], np.int16, np.float32),
        ([-32768, 0, 32767], np.int16, np.float32),
        ([0, 4095, 65535], np.uint16, np.float32),
        ([0, 1, 2**24], np.int32, np.float32),
    ],
)
def test_no_value_of_another_integer_type_is_changed(values, dtype, expected):
    given = np.array(values, dtype).reshape(1, 1, 3, 1)
    checked, (note,) = check_samples(given, "here")
    assert checked.dtype == expected
    assert checked.ravel().tolist() == [int(value) for value in values]
    assert str(given.dtype) in note


def test_integers_that_float32_cannot_hold_are_refused():
    with pytest.raises(DataError, match="up to 16777217, more than float32 holds"):
        check_samples(np.full((1, 2, 2, 1), 2**24 + 1), "here")


def test_test_images_follow_the_type_of_the_training_images():
    dark = np.full((1, 2, 2, 1), 7, np.int16)
    assert check_samples(dark, "here", np.dtype(np.float32))[0].dtype == np.float32
    with pytest.raises(DataError, match="from 300 to 300, but the training images are bytes"):
        check_samples(dark + 293, "here", np.dtype(np.uint8))


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.zeros((1, 2, 3, 4, 5), np.uint8), "videos, volumes and others are not offered"),
        (np.zeros((0, 6, 5, 3), np.uint8), "not one value"),
        (np.zeros((4, 0, 5, 3), np.uint8), "not one value"),
        (np.zeros((4, 3, 32, 32), np.uint8), r"np\.moveaxis\(x, 1, -1\)"),
        (PICTURES.astype(str), "expected numbers"),
        (PICTURES.astype(complex), "expected numbers"),
        (np.array([np.zeros(2), np.zeros(3)], object), r"np\.stack"),
    ],
)
def test_what_cannot_be_samples_is_refused_by_its_name(images, said):
    with pytest.raises(DataError, match=f"here: .*{said}"):
        check_samples(images, "here")


def test_axes_that_may_be_others_are_told():
    _, (note,) = check_samples(np.zeros((4, 3, 32, 48), np.uint8), "here")
    assert note.startswith("read as 3 x 32 (height x width) of 48 channels; arrays with channels")
    for shape in ((4, 64, 1, 3), (4, 49, 10, 1), (4, 6, 6, 4), (4, 5, 5, 12)):
        assert check_samples(np.zeros(shape, np.float32), "here")[1] == ()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_the_first_row_that_is_not_finite_is_named(value):
    images = PICTURES.astype(np.float64)
    images[2, 1, 1, 0] = images[3] = value
    with pytest.raises(DataError, match=r"row 2 .*2 such rows"):
        check_samples(images, "here")
