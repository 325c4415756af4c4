import numpy as np
import pytest
from c_export_models import ModelBuilder

from deploy.c_export.export import lower_network
from deploy.c_export.graph import ExportError
from deploy.c_export.lower import LOWERINGS
from deploy.c_export.strides import dense_strides, four, merge_axes

REQUIRED = [
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "ADD",
    "MUL",
    "SUB",
    "MAXIMUM",
    "MINIMUM",
    "MEAN",
    "AVERAGE_POOL_2D",
    "MAX_POOL_2D",
    "PAD",
    "RESHAPE",
    "CONCATENATION",
    "SOFTMAX",
    "LOGISTIC",
    "QUANTIZE",
    "RELU",
    "RELU6",
    "LEAKY_RELU",
    "HARD_SWISH",
    "TRANSPOSE",
]


def conv_model(weight_depth=2, zero=0, weights=True) -> bytes:
    builder = ModelBuilder()
    x = builder.tensor([1, 3, 3, 4], 0.5, 10)
    shape = [3, 2, 2, weight_depth]
    data = np.arange(np.prod(shape)).reshape(shape) % 7 if weights else None
    w = builder.tensor(shape, [0.1, 0.2, 0.3], zero, data=data)
    b = builder.tensor([3], 0.05, data=[100, 200, 300], dtype="int32")
    y = builder.tensor([1, 2, 2, 3], 0.25, -4)
    builder.operator(
        "CONV_2D", [x, w, b], [y], padding=1, strideH=1, strideW=1, dilationHFactor=1,
        dilationWFactor=1, fusedActivationFunction=3,
    )  # fmt: skip
    return builder.finish([x], [y])


def unary_model(kind: str, dtype="int8", out=(1 / 256, -128), **options) -> bytes:
    builder = ModelBuilder()
    x = builder.tensor([1, 4], 0.5)
    middle = builder.tensor([1, 4], 0.5, dtype=dtype)
    y = builder.tensor([1, 4], *out)
    builder.operator("RELU", [x], [middle])
    builder.operator(kind, [middle], [y], **options)
    return builder.finish([x], [y])


def test_every_required_operator_has_a_kernel():
    assert sorted(LOWERINGS) == sorted(REQUIRED)


def test_convolution_folds_the_input_zero_point_into_the_bias():
    step = lower_network(conv_model(4), "n").steps[0]
    params = step.calls[0].params
    weights = np.arange(48).reshape(3, 16) % 7
    expected = np.array([100, 200, 300]) - 10 * weights.sum(axis=1)
    np.testing.assert_array_equal(params["bias"].values, expected)
    assert (params["out_min"], params["out_max"]) == (-4, -4 + 24)  # RELU6: 6 / 0.25 steps
    assert step.scratch_bytes == 2 * 16 * 2  # two columns of 16-bit inputs


@pytest.mark.parametrize(
    ("kind", "index", "nearest"),
    [("TANH", 1, "LOGISTIC"), ("ELU", 1, "RELU or LEAKY_RELU"), ("COS", 1, "one of CONV_2D")],
)
def test_an_unknown_operator_is_named_with_its_index_and_the_nearest(kind, index, nearest):
    with pytest.raises(ExportError, match=rf"operator {index} \({kind}\).*{nearest}"):
        lower_network(unary_model(kind), "n")


def test_another_type_is_named():
    with pytest.raises(ExportError, match=r"operator 0 \(RELU\).*tensor 1 is int32"):
        lower_network(unary_model("RELU", "int32"), "n")


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (conv_model(2), "grouped convolution"),
        (conv_model(4, zero=3), "zero point 0"),
        (conv_model(4, weights=False), "constant int8 weights"),
        (unary_model("SOFTMAX", out=(1 / 128, -128), beta=1.0), "scale 1/256"),
        (unary_model("LOGISTIC", out=(1 / 256, 0)), "zero point -128"),
        (unary_model("HARD_SWISH", out=(1e-4, 0)), "too small"),
    ],
)
def test_forms_without_a_kernel_are_refused(model, text):
    with pytest.raises(ExportError, match=rf"operator \d \(\w+\): .*{text}"):
        lower_network(model, "n")


def test_axes_merge_where_all_arrays_are_walked_as_one():
    dense = dense_strides([2, 3, 4])
    assert dense == [12, 4, 1]
    assert merge_axes([2, 3, 4], dense, dense) == [(24, 1, 1)]
    assert merge_axes([2, 3, 4], dense, [0, 4, 1]) == [(2, 12, 0), (12, 1, 1)]
    assert merge_axes([1, 1], [1, 1]) == [(1, 1)]


def test_walks_have_exactly_four_axes():
    assert four([(5, 1, 1)]) == ((1, 1, 1, 5), (0, 0, 0, 1), (0, 0, 0, 1))
    with pytest.raises(ExportError, match="at most 4"):
        four([(2, 1)] * 5)
