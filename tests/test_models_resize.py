"""Averages and repetitions of feature maps."""

import numpy as np
import pytest
from keras import ops

from hintlite.models.resize import average_to, common_size, nearest_to

RNG = np.random.default_rng(2)


@pytest.mark.parametrize("size", [(3, 2), (7, 6), (4, 4), (1, 1), (7, 2)])
def test_average_pooling_covers_the_map_in_windows_of_equal_share(size):
    x = RNG.normal(size=(2, 7, 6, 3)).astype(np.float32)
    expected = np.zeros((2, *size, 3))
    for i in range(size[0]):
        for j in range(size[1]):
            rows = slice(i * 7 // size[0], -(-(i + 1) * 7 // size[0]))
            columns = slice(j * 6 // size[1], -(-(j + 1) * 6 // size[1]))
            expected[:, i, j] = x[:, rows, columns].mean(axis=(1, 2))
    pooled = average_to(ops.convert_to_tensor(x), size)
    np.testing.assert_allclose(pooled, expected, rtol=1e-4, atol=1e-6)


def test_nearest_repeats_rows_and_columns():
    x = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1)
    grown = np.asarray(nearest_to(ops.convert_to_tensor(x), (4, 4)))[0, ..., 0]
    assert grown.tolist() == [[0, 0, 1, 2], [0, 0, 1, 2], [3, 3, 4, 5], [3, 3, 4, 5]]
    doubled = np.asarray(nearest_to(ops.convert_to_tensor(x), (2, 6)))[0, ..., 0]
    assert doubled.tolist() == [[0, 0, 1, 1, 2, 2], [3, 3, 4, 4, 5, 5]]
    shrunk = np.asarray(nearest_to(ops.convert_to_tensor(x), (1, 2)))[0, ..., 0]
    assert shrunk.tolist() == [[0, 1]]


def test_the_common_size_is_the_smaller_of_each_side():
    assert common_size((4, 9, 3), (7, 2, 8)) == (4, 2)
