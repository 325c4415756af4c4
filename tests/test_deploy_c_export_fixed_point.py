"""The folded arithmetic against real numbers; its bits are compared with TFLM per operator."""

import numpy as np
import pytest

from hintlite.deploy.c_export.fixed_point import (
    INT32_MAX,
    INT32_MIN,
    exp_negative,
    high_mul,
    logistic,
    quantize_multiplier,
    reciprocal_one_plus,
    rescale,
    rounding_shift,
    saturating_shift,
    wrap32,
)


@pytest.mark.parametrize("real", [1e-9, 3.1e-4, 0.5, 0.75, 1.0, 1.5, 40.0])
def test_multiplier_and_shift_give_the_factor_back(real):
    multiplier, shift = quantize_multiplier(real)
    assert 2**30 <= multiplier < 2**31
    assert multiplier / 2**31 * 2.0**shift == pytest.approx(real, rel=1e-9)


def test_factors_at_the_ends():
    assert quantize_multiplier(0.0) == (0, 0)
    assert quantize_multiplier(2.0**-40) == (0, 0)
    assert quantize_multiplier(1.0 - 2.0**-40) == (2**30, 1)  # rounds up to 1
    assert quantize_multiplier(-0.5) == (-(2**30), 0)


@pytest.mark.parametrize(
    ("value", "exponent", "expected"),
    [(5, 1, 3), (-5, 1, -3), (6, 2, 2), (-6, 2, -2), (5, 2, 1), (-5, 2, -1), (7, 0, 7)],
)
def test_shifts_round_halves_away_from_zero(value, exponent, expected):
    assert rounding_shift(value, exponent) == expected


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [(2**30, 3, 2), (-(2**30), 3, -1), (INT32_MIN, INT32_MIN, INT32_MAX), (7, 2**30, 4)],
)
def test_high_multiply_rounds_halves_upwards_and_saturates(a, b, expected):
    assert high_mul(a, b) == expected


def test_rescaling_rounds_twice():
    # A quarter of a step: half of it rounds up to one, half of that to one again.
    assert rescale(1, 2**30, -1) == 1
    assert rescale(-1, 2**30, -1) == 0
    assert rescale(2**30, 2**30, 2) == 0  # the shift to the left wraps, as in C


def test_wrapping_and_saturation():
    assert wrap32(2**31) == INT32_MIN
    assert wrap32(-(2**31) - 1) == INT32_MAX
    assert saturating_shift(2**30, 2) == INT32_MAX
    assert saturating_shift(-200, 8, 16) == -32768


@pytest.mark.parametrize("bits", [4, 5])
def test_exponential_is_near_the_real_one(bits):
    for real in np.linspace(-(2**bits) + 0.1, 0.0, 200):
        fixed = exp_negative(round(real * 2 ** (31 - bits)), bits) / 2**31
        assert fixed == pytest.approx(np.exp(real), abs=2e-7)


def test_reciprocal_and_logistic_are_near_the_real_ones():
    for real in np.linspace(0.0, 0.999, 50):
        fixed = reciprocal_one_plus(round(real * 2**31)) / 2**31
        assert fixed == pytest.approx(1 / (1 + real), abs=1e-8)
    for real in np.linspace(-15, 15, 101):
        fixed = logistic(round(real * 2**27), 4) / 2**31
        assert fixed == pytest.approx(1 / (1 + np.exp(-real)), abs=3e-7)
