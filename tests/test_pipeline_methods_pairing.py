"""Which stages belong together, and what is refused."""

import pytest

from hintlite.pipeline.methods.base import MethodError
from hintlite.pipeline.methods.pairing import map_shape, pair_stages


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
    with pytest.raises(MethodError, match=r"the teacher's tap 'flat'.*height, width"):
        map_shape("teacher", "flat", taps, like=(4, 5, 6))
