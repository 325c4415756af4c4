import numpy as np
import pytest
from c_export_models import ModelBuilder, tflm_outputs
from c_export_runner import run_here, write_program

from hintlite.deploy.c_export.errors import ExportError
from hintlite.deploy.c_export.export import lower_network
from hintlite.deploy.c_export.lower import LOWERINGS
from hintlite.deploy.c_export.strides import dense_strides, four, merge_axes

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
    "EXPAND_DIMS",
    "SQUEEZE",
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


def test_a_constant_first_operand_is_refused():
    """CONST -> RELU -> ADD: nothing would write the constant into the arena."""
    builder = ModelBuilder()
    x, y = builder.tensor([1, 4], 0.5), builder.tensor([1, 4], 0.5)
    fixed = builder.tensor([1, 4], 0.5, data=[[1, -2, 3, -4]])
    middle = builder.tensor([1, 4], 0.5)
    builder.operator("RELU", [fixed], [middle])
    builder.operator("ADD", [x, middle], [y], fusedActivationFunction=0)
    with pytest.raises(ExportError, match=r"operator 0 \(RELU\) reads tensor 2, which is constant"):
        lower_network(builder.finish([x], [y]), "n")


def test_a_tensor_that_nothing_writes_is_refused():
    builder = ModelBuilder()
    x, other, y = (builder.tensor([1, 4], 0.5) for _ in range(3))
    builder.operator("ADD", [x, other], [y], fusedActivationFunction=0)
    with pytest.raises(ExportError, match=r"operator 0 \(ADD\) reads tensor 1, .*never computed"):
        lower_network(builder.finish([x], [y]), "n")


def test_a_constant_second_operand_still_stands_in_the_source():
    builder = ModelBuilder()
    x, y = builder.tensor([1, 4], 0.5), builder.tensor([1, 4], 0.5)
    fixed = builder.tensor([1, 4], 0.5, data=[[1, -2, 3, -4]])
    builder.operator("ADD", [x, fixed], [y], fusedActivationFunction=0)
    (step,) = lower_network(builder.finish([x], [y]), "n").steps
    assert step.reads == (x,)


def softmax_model(length: int) -> bytes:
    builder = ModelBuilder()
    x, y = builder.tensor([1, length], 0.05), builder.tensor([1, length], 1 / 256, -128)
    builder.operator("SOFTMAX", [x], [y], beta=1.0)
    return builder.finish([x], [y])


def test_a_row_of_softmax_that_its_sum_cannot_hold_is_refused():
    with pytest.raises(ExportError, match=r"operator 0 \(SOFTMAX\): rows of 1024 .*most is 1023"):
        lower_network(softmax_model(1024), "n")


def test_the_longest_row_of_softmax_is_right_where_the_sum_is_largest(tmp_path):
    """TFLM itself stops at equal inputs (a shift by 32), so those are worked by hand."""
    model, rng = softmax_model(1023), np.random.default_rng(0)
    twin = np.full(1023, -128, np.int8)
    twin[[5, 1022]] = 100
    rows = [np.full(1023, 5), twin, rng.integers(-128, 128, 1023)]
    inputs = np.stack(rows).astype(np.int8)
    write_program([model], [inputs], tmp_path)
    checks = ("-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all")
    found = np.frombuffer(run_here(tmp_path, checks), np.int8).reshape(3, 1023)
    assert (found[0] == -128).all()  # round(256 / 1023) = 0
    # 256 / (2 + 1021 * exp(-11.4)) = 127.3 for both
    assert found[1, [5, 1022, 0]].tolist() == [-1, -1, -128]
    np.testing.assert_array_equal(found[1:], tflm_outputs(model, inputs[1:]))


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
