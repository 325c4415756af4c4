"""What range raw values are taken for, and what is said of it."""

import numpy as np
import pytest

from hintlite.errors import DataError, SettingsError
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.data.sources.arrays import from_arrays
from hintlite.pipeline.data.value_range import value_range
from hintlite.pipeline.settings.data import DataConfig

RNG = np.random.default_rng(0)
LABELS = np.arange(60) % 2


def spanning(low, high, dtype=np.float32):
    """[60, 4, 4, 1], each image from low to high."""
    values = np.linspace(low, high, 16)
    return np.stack([RNG.permutation(values) for _ in range(60)]).reshape(60, 4, 4, 1).astype(dtype)


def loaded(images, **settings):
    config = DataConfig(calibration_samples=8, **settings)
    return load_training(config, from_arrays(images, LABELS))


def said(data):
    (line,) = [note for note in data.notes if note.startswith("values: ")]
    return line


@pytest.mark.parametrize(
    ("low", "high", "taken"),
    [
        (0, 1, (0, 1)),
        (0.1, 0.4, (0, 1)),
        (-1, 1, (-1, 1)),
        (0, 255, (0, 255)),
        (3, 200, (0, 255)),
        (-0.2, 1, None),  # nearer to 0..1 than to -1..1
        (0, 7.5, None),
        (-3.2, 4.1, None),
        (0, 300, None),
        (-128, 127, None),
    ],
)
def test_only_ranges_of_pictures_are_told_from_the_values(low, high, taken):
    found = value_range(spanning(low, high), None, None, "here")
    assert found.taken == taken
    assert not found.certain


@pytest.mark.parametrize(
    ("images", "kind", "fed", "line"),
    [
        (spanning(0, 1), "unit", (0, 1), "taken for 0..1, fed as they are"),
        (spanning(0.2, 0.7), "unit", (0.2, 0.7), "taken for 0..1, fed as they are"),
        (spanning(0, 1), "signed", (-1, 1), "taken for 0..1, fed as -1..1"),
        (spanning(0, 255), "unit", (0, 1), "float32 from 0 to 255, taken for 0..255, fed as 0..1"),
        (spanning(0, 255), "raw", (0, 255), "float32 from 0 to 255, fed as they are"),
        (spanning(-1, 1), "unit", (0, 1), "taken for -1..1, fed as 0..1 (data.normalization raw"),
        (spanning(-1, 1), "signed", (-1, 1), "taken for -1..1, fed as they are"),
        (spanning(-3, 5), "raw", (-3, 5), "float32 from -3 to 5, fed as they are"),
        (spanning(0, 255, np.uint8), "unit", (0, 1), "uint8 from 0 to 255, taken for 0..255, fed"),
        (spanning(0, 16, np.uint8), "unit", (0, 16 / 255), "dark: if 16 is full brightness"),
        (spanning(0, 255, np.uint8), "signed", (-1, 1), "fed as -1..1"),
        (spanning(0, 1, np.bool_), "unit", (0, 1), "uint8 from 0 to 1, taken for 0..1"),
    ],
)
def test_what_is_fed_is_what_is_said(images, kind, fed, line):
    data = loaded(images, normalization=kind)
    assert line in said(data)
    expected = np.interp(data.images, (images.min(), images.max()), fed)
    values = data.normalized(np.arange(len(data.images)))
    np.testing.assert_allclose(values, expected, atol=1e-6 * max(fed))


def test_a_range_of_no_pictures_is_taken_from_the_training_part_and_said():
    data = loaded(spanning(-3, 5))
    train = data.images[data.train]
    assert data.normalization.mean == (float(train.min()),)
    assert "no range of pictures: lowest and highest of the training part are fed as 0 and 1" in (
        said(data)
    )
    with pytest.raises(DataError, match=r"signed could bring to -1\.\.1; state it"):
        loaded(spanning(-3, 5), normalization="signed")


def test_a_stated_range_counts():
    twelve = loaded(spanning(0, 3000, np.uint16), value_range=(0.0, 4095.0))
    assert twelve.normalization.std == (4095.0,)
    assert "taken for 0..4095, fed as 0..1" in said(twelve)
    assert twelve.values.to_dict() == {
        "low": float(twelve.images.min()),
        "high": float(twelve.images.max()),
        "taken_for": [0.0, 4095.0],
        "certain": True,
    }
    dots = loaded(spanning(0, 16, np.uint8), value_range=(0.0, 16.0))
    assert dots.raw_max == 16.0
    with pytest.raises(DataError, match=r"outside of the range 0 to 100 .*data\.value_range"):
        loaded(spanning(0, 255), value_range=(0.0, 100.0))


def test_a_range_that_makes_no_sense_is_refused():
    mixed = spanning(0, 255)
    mixed[7] = spanning(0, 0.99)[3]
    with pytest.raises(DataError, match="1 images hold values from 0 to 1, the others up to 255"):
        value_range(mixed, None, None, "here")
    with pytest.raises(DataError, match=r"bytes, but none is above 1; say data\.value_range"):
        loaded(spanning(0, 1.9, np.uint8))
    assert loaded(spanning(0, 1.9, np.uint8), normalization="raw").normalization.std == (1.0,)
    assert loaded(spanning(0, 1.9, np.uint8), value_range=(0.0, 1.0)).normalization.std == (1.0,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"value_range": (1.0, 1.0)}, "lowest and the highest"),
        ({"value_range": (0.0, float("inf"))}, "lowest and the highest"),
        ({"value_range": (0.0, 9.0), "normalization": "raw"}, "raw makes no use of it"),
        ({"skip_broken": True}, "pictures of a folder; digits"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(SettingsError, match=message):
        DataConfig(**settings)
