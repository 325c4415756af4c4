from pathlib import Path

import numpy as np
import pytest
from c_export_models import ModelBuilder

from deploy.c_export.graph import ExportError
from deploy.c_export.read import read_model

REFERENCE = Path(__file__).parent / "data" / "reference_cnn_int8.tflite"


def small_model(**changes) -> bytes:
    builder = ModelBuilder()
    x = builder.tensor([1, 4], 0.5, 3, dtype=changes.get("dtype", "int8"))
    w = builder.tensor([2, 4], [0.1, 0.2], data=np.arange(8).reshape(2, 4))
    y = builder.tensor([1, 2], 0.25, -4)
    builder.operator("FULLY_CONNECTED", [x, w, -1], [y], fusedActivationFunction=1)
    return builder.finish([x] * changes.get("inputs", 1), [y])


def test_reads_the_reference_model():
    graph = read_model(REFERENCE)
    kinds = [operator.kind for operator in graph.operators]
    assert kinds == ["CONV_2D"] * 6 + [
        "ADD",
        "DEPTHWISE_CONV_2D",
        "MEAN",
        "FULLY_CONNECTED",
        "SOFTMAX",
    ]
    assert graph.tensors[graph.input].shape == (1, 28, 28, 1)
    assert graph.tensors[graph.output].scale == 1 / 256
    assert graph.operators[1].option("StrideH") == 2


def test_reads_tensors_constants_and_options():
    graph = read_model(small_model())
    source, weights = graph.tensors[graph.input], graph.tensors[1]
    assert (source.scale, source.zero_point, source.dtype, source.data) == (0.5, 3, "int8", None)
    assert weights.scales == pytest.approx((0.1, 0.2))
    np.testing.assert_array_equal(weights.data, [[0, 1, 2, 3], [4, 5, 6, 7]])
    assert graph.operators[0].inputs == (0, 1, -1)
    assert graph.operators[0].option("FusedActivationFunction") == 1


def test_drops_operators_that_only_compute_shapes():
    builder = ModelBuilder()
    x = builder.tensor([1, 2, 3], 0.5)
    shape = builder.tensor([3], dtype="int32")
    y = builder.tensor([1, 6], 0.5)
    builder.operator("SHAPE", [x], [shape])
    builder.operator("RESHAPE", [x, shape], [y], newShape=[1, 6])
    graph = read_model(builder.finish([x], [y]))
    assert [operator.kind for operator in graph.operators] == ["RESHAPE"]


def test_refuses_what_is_no_model():
    with pytest.raises(ExportError, match="TFL3"):
        read_model(b"0123456789")


def test_refuses_several_inputs():
    with pytest.raises(ExportError, match="one input, the model has 2"):
        read_model(small_model(inputs=2))


def test_refuses_another_input_type():
    with pytest.raises(ExportError, match="int8 input, found int32"):
        read_model(small_model(dtype="int32"))


def test_a_scale_per_channel_is_not_one_scale():
    with pytest.raises(ExportError, match="one scale, it has 2"):
        _ = read_model(small_model()).tensors[1].scale
