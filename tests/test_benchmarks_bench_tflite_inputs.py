"""bench_tflite.py: what the model is fed with."""

import types

import numpy as np
import pytest

from hintlite.benchmarks import bench_tflite as bench

INT8 = {"dtype": np.int8, "quantization": (0.5, -3), "shape": [1, 1, 1, 2], "index": 0, "name": "x"}


def test_samples_are_quantized_with_halves_away_from_zero():
    raw = np.array([[[[4, 250]]], [[[5, 0]]]], np.uint8)
    normalization = {"mean": [4.5, 0.0], "std": [2.0, 1.0]}
    # (4 - 4.5) / 2 / 0.5 = -0.5 -> -1, less 3; 250 / 0.5 is clipped; 0.5 -> 1, less 3; 0 -> -3
    got = bench.to_input(raw, normalization, INT8)
    assert got.dtype == np.int8
    assert got.tolist() == [[[[-4, 127]]], [[[-2, -3]]]]


def test_samples_become_what_the_deploying_side_makes_of_them():
    from hintlite.deploy.tflite.quantization import normalize, quantize

    raw = np.random.default_rng(0).integers(0, 256, (64, 3, 3, 2)).astype(np.uint8)
    mean, std, scale = [33.1, 7.0], [70.0, 1 / 3], 0.0173
    detail = {**INT8, "quantization": (scale, 5)}
    expected = quantize(normalize(raw, mean, std), scale, 5, np.int8)
    got = bench.to_input(raw, {"mean": mean, "std": std}, detail)
    np.testing.assert_array_equal(got, expected)


def test_float_models_get_floats_and_odd_inputs_are_refused():
    raw = np.full((1, 1, 1, 2), 3, np.uint8)
    normalization = {"mean": [1, 1], "std": [4, 4]}
    got = bench.to_input(raw, normalization, {**INT8, "dtype": np.float32})
    assert (got.dtype, got.tolist()) == (np.float32, [[[[0.5, 0.5]]]])
    with pytest.raises(bench.BenchError, match="no scale"):
        bench.to_input(raw, normalization, {**INT8, "quantization": (0.0, 0)})


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.float32, np.int32])
def test_random_inputs_suit_their_type(dtype):
    detail = {**INT8, "dtype": dtype, "shape": [1, 50, 50, 1]}
    got = bench.random_input(detail, np.random.RandomState(0))
    assert (got.dtype, got.shape) == (dtype, (1, 50, 50, 1))
    ends = {np.int8: (-128, 127), np.uint8: (0, 255), np.int32: (0, 0)}
    if dtype is np.float32:
        assert 0 <= got.min() < 0.1
        assert 0.9 < got.max() <= 1
    else:
        assert (got.min(), got.max()) == ends[dtype]


def test_the_feeder_takes_samples_in_turn():
    seen = []
    interpreter = types.SimpleNamespace(
        get_input_details=lambda: [INT8], set_tensor=lambda index, value: seen.append(value)
    )
    feed = bench.Feeder(interpreter, bench.Samples([["a"], ["b"]], None, None))
    for _ in range(5):
        feed()
    assert seen == ["a", "b", "a", "b", "a"]
