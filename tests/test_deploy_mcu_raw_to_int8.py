"""Integer normalisation against the float formula, for all 256 raw values."""

import numpy as np
import pytest

from hintlite.deploy.mcu.raw_to_int8 import Channel, raw_channels
from hintlite.deploy.mcu.settings_text import float_literal, normalization_text


def formula(mean, std, scale, zero_point):
    """clip(round((raw - mean) / std / scale) + zero point) in float32, halves away from zero."""
    steps = (np.arange(256, dtype=np.float32) - np.float32(mean)) / np.float32(std)
    steps = (steps / np.float32(scale)).astype(np.float64)
    rounded = np.trunc(steps + np.copysign(0.5, steps))
    return np.clip(rounded + zero_point, -128, 127)


@pytest.mark.parametrize(
    ("mean", "std", "scale", "zero_point"),
    [
        (0, 255, 1 / 255, -128),
        (0, 255, 0.00392157, -128),
        (0, 1, 1.0, -128),  # data.normalization raw: bytes as they are
        (0, 1, 0.9451, -128),
        (127.5, 127.5, 1 / 127.5, 0),
        (33.3184, 78.5675, 0.0208, -107),
        (125.3, 63.0, 0.0159, -3),
        (0, 16, 0.00392, -128),
        (120, 0.5, 0.9, 3),
        (500, 1, 0.01, 0),
    ],
)
def test_every_raw_value_gives_what_the_formula_gives(mean, std, scale, zero_point):
    normalization = {"mean": [mean], "std": [std], "raw_dtype": "uint8"}
    (channel,) = raw_channels(normalization, scale, zero_point)
    np.testing.assert_array_equal(channel.results(), formula(mean, std, scale, zero_point))


def test_the_simplest_arithmetic_is_chosen():
    (plain,) = raw_channels({"mean": [0], "std": [255], "raw_dtype": "uint8"}, 1 / 255, -128)
    assert plain.offset == -128
    # Halves are rounded away from zero on both sides: no line has these results.
    table = {"mean": [127.5], "std": [127.5], "raw_dtype": "uint8"}
    assert len(raw_channels(table, 1 / 127.5, 0)[0].table) == 256
    assert Channel(3, 5, 2).offset is None


def test_what_cannot_be_done_with_integers_says_so():
    floats = {"mean": [0.5], "std": [2.0], "raw_dtype": "float32"}
    assert raw_channels(floats, 0.1, 0) is None
    assert "cannot be done with integers" in normalization_text(floats, 0.1, 0)
    assert "unknown" in normalization_text(None, 0.1, 0)


def test_floats_read_back_as_they_were():
    for value in (0.00390625, 1e-9, 3.0, 123456789.0):
        text = float_literal(value)
        assert text.endswith("F")
        assert np.float32(text[:-1]) == np.float32(value)
