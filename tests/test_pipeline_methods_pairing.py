"""Which stages belong together, and what is refused."""

import numpy as np
import pytest
from keras import ops

from pipeline.methods.base import MethodError
from pipeline.methods.pairing import map_shape, pair_stages
from pipeline.methods.resize import average_to, common_size, nearest_to

RNG = np.random.default_rng(2)


def test_networks_of_the_same_number_of_stages_are_paired_in_order():
    assert pair_stages(["a", "b", "c"], ["x", "y", "z"]) == {"a": "x", "b": "y", "c": "z"}


@pytest.mark.parametrize(
    ("student", "teacher", "pairs"),
    [
        ("ab", "vwxyz", {"a": "x", "b": "z"}),  # the first at half the depth: 2.5 -> the third
        ("ab", "xyz", {"a": "y", "b": "z"}),
        ("abc", "uvwxyz", {"a": "v", "b": "x", "c": "z"}),
        ("abc", "z", {"c": "z"}),
        ("abcde", "yz", {"c": "y", "e": "z"}),
        ("a", "xyz", {"a": "z"}),
    ],
)
def test_different_numbers_of_stages_are_paired_in_proportion(student, teacher, pairs):
    paired = pair_stages(list(student), list(teacher))
    assert list(paired.items()) == list(pairs.items())


def test_pairs_are_one_to_one_in_order_and_end_with_the_deepest():
    for n in range(1, 9):
        for m in range(1, 9):
            paired = pair_stages(list(range(n)), list(range(m)))
            assert len(paired) == min(n, m)
            assert list(paired) == sorted(set(paired))
            assert list(paired.values()) == sorted(set(paired.values()))
            assert list(paired.items())[-1] == (n - 1, m - 1)


def test_a_network_without_feature_maps_is_refused():
    with pytest.raises(MethodError, match="the student shows no feature maps"):
        pair_stages([], ["x"])
    with pytest.raises(MethodError, match="the teacher shows no feature maps"):
        pair_stages(["x"], [])


def test_only_maps_of_fixed_size_can_be_compared():
    taps = {"map": (None, 4, 5, 6), "open": (None, None, 5, 6), "flat": (None, 6)}
    assert map_shape("student", "map", taps) == (4, 5, 6)
    with pytest.raises(MethodError, match=r"the student has no tap 'x'; it has map, open, flat"):
        map_shape("student", "x", taps)
    with pytest.raises(MethodError, match=r"the teacher's tap 'open'.*fixed size"):
        map_shape("teacher", "open", taps)
    with pytest.raises(MethodError, match=r"the teacher's tap 'flat'"):
        map_shape("teacher", "flat", taps)


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
