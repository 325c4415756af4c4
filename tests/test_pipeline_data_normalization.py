"""x = (raw - mean) / std, in numpy and in TensorFlow."""

import json

import numpy as np
import pytest

from hintlite.errors import DataError
from hintlite.pipeline.data import normalization as module
from hintlite.pipeline.data.normalization import Normalization, fit_normalization

RNG = np.random.default_rng(0)
BYTES = (0.0, 255.0)
COLOURS = RNG.integers(0, 256, (50, 6, 5, 3), dtype=np.uint8)


def test_unit_divides_pictures_by_their_full_scale():
    fitted = fit_normalization("unit", COLOURS, BYTES, "here")
    assert fitted == Normalization((0.0, 0.0, 0.0), (255.0, 255.0, 255.0))
    assert fitted.apply(np.uint8([[[0, 51, 255]]])).tolist() == [[[0.0, np.float32(0.2), 1.0]]]


def test_unit_of_floating_point_spans_the_training_part():
    images = np.float32([-3, 1, 5, 0]).reshape(1, 2, 2, 1)
    fitted = fit_normalization("unit", images, None, "here")
    assert fitted == Normalization((-3.0,), (8.0,))
    assert fitted.apply(images).ravel().tolist() == [0.0, 0.5, 1.0, 0.375]


def test_standard_gives_mean_0_and_deviation_1(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 16)  # several chunks, the last one smaller
    fitted = fit_normalization("standard", COLOURS, BYTES, "here")
    flat = COLOURS.reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(fitted.mean, flat.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(fitted.std, flat.std(axis=0), rtol=1e-12)


def test_standard_survives_a_large_offset():
    images = (1e4 + RNG.normal(size=(40, 5, 5, 1))).astype(np.float32)
    fitted = fit_normalization("standard", images, None, "here")
    np.testing.assert_allclose(fitted.std, images.std(dtype=np.float64), rtol=1e-9)


def test_signed_spans_minus_1_to_1_and_raw_changes_nothing():
    pixels = np.uint8([[[0, 51, 255]]])
    signed = fit_normalization("signed", COLOURS, BYTES, "here")
    np.testing.assert_allclose(signed.apply(pixels), [[[-1, -0.6, 1]]], atol=1e-6)
    raw = fit_normalization("raw", COLOURS, BYTES, "here")
    assert raw.apply(pixels).tolist() == [[[0, 51, 255]]]


def test_signed_needs_a_known_range():
    with pytest.raises(DataError, match=r"signed .*data\.value_range, or take .*raw"):
        fit_normalization("signed", COLOURS.astype(np.float32), None, "here")


def test_a_range_that_does_not_begin_at_0_is_brought_to_0_and_to_minus_1():
    images = np.float32([-50, 0, 150, 100]).reshape(1, 2, 2, 1)
    unit = fit_normalization("unit", images, (-50.0, 150.0), "here")
    assert unit.apply(images).ravel().tolist() == [0.0, 0.25, 1.0, 0.75]
    signed = fit_normalization("signed", images, (-50.0, 150.0), "here")
    assert signed.apply(images).ravel().tolist() == [-1.0, -0.5, 1.0, 0.5]


def test_a_constant_channel_is_only_moved():
    images = COLOURS.copy()
    images[..., 1] = 200
    fitted = fit_normalization("standard", images, BYTES, "here")
    assert fitted.std[1] == 1.0
    assert (fitted.apply(images)[..., 1] == 0).all()


def test_images_of_one_value_are_refused():
    for kind in ("unit", "standard"):
        with pytest.raises(DataError, match="every value of the training images is 7"):
            fit_normalization(kind, np.full((3, 2, 2, 1), 7, np.uint8), BYTES, "here")


def test_tensors_get_the_same_values():
    fitted = fit_normalization("standard", COLOURS, BYTES, "here")
    expected = (COLOURS - np.array(fitted.mean)) / np.array(fitted.std)
    np.testing.assert_allclose(fitted.apply_tensor(COLOURS).numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(fitted.apply(COLOURS), expected, atol=1e-6)
    assert fitted.apply(COLOURS).dtype == np.float32


def test_it_comes_back_from_json():
    fitted = fit_normalization("standard", COLOURS, BYTES, "here")
    stored = json.loads(json.dumps(fitted.to_dict() | {"raw_dtype": "uint8"}))
    assert Normalization.from_dict(stored) == fitted


@pytest.mark.parametrize(
    ("mean", "std"),
    [((), ()), ((0.0,), (1.0, 1.0)), ((0.0,), (0.0,)), ((0.0,), (-1.0,)), ((np.nan,), (1.0,))],
)
def test_impossible_numbers_are_refused(mean, std):
    with pytest.raises(DataError, match="normalization"):
        Normalization(mean, std)


def test_other_channels_are_refused():
    with pytest.raises(DataError, match="3 channels, expected 1"):
        Normalization((0.0,), (1.0,)).apply(COLOURS)
