"""Networks over time and over rows of a table as plain C: the bits of TensorFlow Lite Micro."""

import numpy as np
from c_export_models import ModelBuilder, tflm_outputs
from c_export_runner import run_here, write_program
from deploy_models import randomize

from hintlite.models.settings import NetworkConfig

INPUTS = 32


def converted(shape, **settings):
    from hintlite.deploy.convert.convert import to_int8
    from hintlite.models.student import build_student
    from hintlite.models.taps import logits_only

    samples = np.random.default_rng(0).normal(size=(16, *shape)).astype(np.float32)
    student = randomize(logits_only(build_student(NetworkConfig(**settings), shape, 5)))
    return to_int8(student, samples)


def as_older_converters_leave_it():
    """A Conv1D between EXPAND_DIMS and SQUEEZE, then a dense layer."""
    rng, builder = np.random.default_rng(0), ModelBuilder()
    x = builder.tensor([1, 16, 3], 1 / 64, -7)
    axis = builder.tensor([1], data=[1], dtype="int32")
    picture = builder.tensor([1, 1, 16, 3], 1 / 64, -7)
    builder.operator("EXPAND_DIMS", [x, axis], [picture])
    kernel = builder.tensor(
        [4, 1, 5, 3], [0.01] * 4, data=rng.integers(-99, 99, (4, 1, 5, 3)), axis=0
    )
    bias = builder.tensor([4], [0.01 / 64] * 4, data=[9, -9, 300, 0], dtype="int32")
    convolved = builder.tensor([1, 1, 16, 4], 1 / 16, -128)
    builder.operator(
        "CONV_2D", [picture, kernel, bias], [convolved], strideH=1, strideW=1,
        dilationHFactor=1, dilationWFactor=2, fusedActivationFunction=1,
    )  # fmt: skip
    series = builder.tensor([1, 16, 4], 1 / 16, -128)
    builder.operator("SQUEEZE", [convolved], [series], squeezeDims=[1])
    flat = builder.tensor([1, 64], 1 / 16, -128)
    builder.operator("RESHAPE", [series], [flat])
    weights = builder.tensor([5, 64], 0.01, data=rng.integers(-99, 99, (5, 64)))
    end = builder.tensor([5], 0.01 / 16, data=[0, 5, -5, 9, 1], dtype="int32")
    y = builder.tensor([1, 5], 1 / 8, 3)
    builder.operator("FULLY_CONNECTED", [flat, weights, end], [y])
    return builder.finish([x], [y])


def test_the_c_of_series_and_tables_gives_tflms_bits(tmp_path):
    models = {
        "tcn": converted((32, 3), family="tcn", widths=(4, 6), depths=(2, 3), first_stride=2),
        "residual": converted(
            (32, 3), family="tcn", widths=(4, 6), depths=(2, 2), residual=True, block="separable"
        ),
        "pools": converted((20, 3), widths=(4, 6), depths=(1, 1)),
        "table": converted((13,), widths=(8, 6), depths=(1, 1)),
        "older": as_older_converters_leave_it(),
    }
    rng = np.random.default_rng(1)
    shapes = {"pools": (20, 3), "table": (13,), "older": (16, 3)}
    inputs = [
        rng.integers(-128, 128, (INPUTS, *shapes.get(name, (32, 3))), np.int8) for name in models
    ]

    write_program(list(models.values()), inputs, tmp_path)
    found = np.frombuffer(run_here(tmp_path, ("-O1",)), np.int8).reshape(len(models), INPUTS, 5)

    for own, model, given in zip(found, models.values(), inputs, strict=True):
        expected = tflm_outputs(model, given)
        np.testing.assert_array_equal(own, expected.reshape(INPUTS, 5))
        assert len(np.unique(expected)) > 10
