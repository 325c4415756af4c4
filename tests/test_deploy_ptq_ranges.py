"""deploy/ptq: the histogram without a range, and the three estimators against numpy."""

import numpy as np
import pytest

from hintlite.deploy.ptq.estimators import INT8_GRID, INT16_GRID, estimate
from hintlite.deploy.ptq.histogram import Histogram
from hintlite.errors import HintliteError

RNG = np.random.default_rng(0)
BIN = 1 / 128  # widest relative width of a bin


def seen(*arrays):
    histogram = Histogram()
    for array in arrays:
        histogram.add(np.asarray(array, np.float32))
    return histogram


def quantized(values, low, high, steps=255):
    """What an INT8 tensor of this range holds, by its definition (arXiv 1712.05877, equation 1)."""
    step = (high - low) / steps
    zero_point = np.round(-128 - low / step)
    stored = np.clip(np.round(values / step) + zero_point, -128, 127)
    return step * (stored - zero_point)


def squared_error(values, low, high):
    return float(np.sum((quantized(values, low, high) - values) ** 2))


def test_quantiles_are_those_of_numpy_to_the_width_of_a_bin():
    values = RNG.normal(size=20_000).astype(np.float32) * 3 + 1
    histogram = seen(values[:7000], values[7000:].reshape(13, 1000))
    assert histogram.total == 20_000
    assert (histogram.low, histogram.high) == (values.min(), values.max())
    for share in (0.0, 0.001, 0.2, 0.5, 0.9, 0.9995, 1.0):
        expected = np.quantile(values, share)
        assert histogram.quantile(share) == pytest.approx(expected, rel=BIN, abs=2e-3)


def test_bins_follow_the_values_over_many_orders_of_magnitude():
    values = np.array([-1e20, -3.0, -1e-20, 0.0, 0.0, 1e-20, 5.0, 1e20], np.float32)
    middles, counts = seen(values).points()
    assert counts.sum() == 8
    assert np.all(np.diff(middles) > 0)
    np.testing.assert_allclose(np.repeat(middles, counts), np.sort(values), rtol=BIN, atol=1e-37)


def test_an_empty_histogram_and_a_value_that_is_not_finite_are_refused():
    with pytest.raises(HintliteError, match="empty histogram"):
        Histogram().quantile(0.5)
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(HintliteError, match="NaN or infinity"):
            seen([0.0, bad])
    seen(np.zeros((0, 3)))  # no values are no fault


def test_min_max_is_what_was_seen():
    assert estimate(seen([-0.5, 2.0, 7.0]), "minmax", INT8_GRID, 99.9) == (-0.5, 7.0)


def test_percentile_cuts_half_of_the_rest_off_at_either_end():
    values = np.append(RNG.normal(size=9998), [-1000.0, 1000.0]).astype(np.float32)
    low, high = estimate(seen(values), "percentile", INT8_GRID, 99.0)
    assert low == pytest.approx(np.quantile(values, 0.005), rel=BIN)
    assert high == pytest.approx(np.quantile(values, 0.995), rel=BIN)
    assert estimate(seen(values), "percentile", INT8_GRID, 100.0) == (-1000.0, 1000.0)


def test_a_percentile_that_leaves_no_range_leaves_what_was_seen():
    values = np.zeros(100_000, np.float32)
    values[:3] = 4.0
    assert estimate(seen(values), "percentile", INT8_GRID, 99.9) == (0.0, 4.0)


def test_mse_cuts_an_outlier_off_where_many_values_are_the_better_for_it():
    """A worked example: 1.5 million values of deviation 1, and one of 30."""
    values, often = np.sort(RNG.normal(size=3000)).astype(np.float32), 500
    outlier = np.array([30.0], np.float32)

    def error(low, high):
        return often * squared_error(values, low, high) + squared_error(outlier, low, high)

    low, high = estimate(seen(np.repeat(values, often), outlier), "mse", INT8_GRID, 0.0)
    lows, highs = np.linspace(-5, -1, 41), np.linspace(1, 30, 117)
    best = min(error(a, b) for a in lows for b in highs)
    assert high < 15
    assert error(low, high) <= 1.02 * best
    assert error(low, high) < 0.5 * error(values.min(), 30.0)


def test_mse_keeps_an_outlier_whose_loss_would_cost_more():
    values = np.append(RNG.uniform(0, 1, 1000), 3.0).astype(np.float32)
    low, high = estimate(seen(values), "mse", INT8_GRID, 0.0)
    assert low == 0.0
    assert high == pytest.approx(3.0, rel=BIN)


def test_mse_of_a_rectified_tensor_begins_at_zero():
    values = np.maximum(RNG.laplace(size=50_000), 0).astype(np.float32)
    low, high = estimate(seen(values), "mse", INT8_GRID, 0.0)
    assert low == 0.0
    best = min(squared_error(values, 0.0, end) for end in np.geomspace(1, values.max(), 200))
    assert squared_error(values, low, high) <= 1.05 * best


def test_a_symmetric_grid_has_the_same_end_on_both_sides():
    values = np.append(RNG.normal(size=5000), -50.0).astype(np.float32)
    low, high = estimate(seen(values), "mse", INT16_GRID, 0.0)
    # 65534 steps hold the outlier without loss: cutting it off would cost more.
    assert low == pytest.approx(-50.0, rel=BIN)
    assert high == pytest.approx(values.max(), rel=BIN)
