"""A student drawn from its settings against the file that its untrained network converts to."""

import functools

import numpy as np
import pytest
from deploy_models import randomize

from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.inspect import count_file_parameters
from hintlite.deploy.tflite.lifetimes import model_lifetimes
from hintlite.deploy.tflite.macs import count_operator_macs
from hintlite.deploy.tflite.planner import greedy_plan
from hintlite.errors import HintliteError
from hintlite.models.settings import MaxoutLayer, NetworkConfig
from hintlite.pipeline.app.fit.int8_shape import payload_bytes, sketch
from hintlite.pipeline.app.fit.limits import arena_bytes

CLASSES = 5
CASES = {
    "thin_deep": (NetworkConfig(widths=(4, 6), depths=(2, 2), first_stride=2), (12, 10, 3)),
    "residual": (
        NetworkConfig(widths=(4, 6), depths=(2, 3), residual=True, block="separable"),
        (12, 12, 1),
    ),
    "resnet8": (NetworkConfig(family="resnet8", widths=(4, 6), depths=(2, 2)), (12, 12, 2)),
    "ds_cnn": (NetworkConfig(family="ds_cnn", widths=(6, 8), depths=(1, 2)), (20, 10, 1)),
    "fitnet": (
        NetworkConfig(
            family="fitnet",
            layers=(MaxoutLayer(4, 5, 3, 2, 4, 2), MaxoutLayer(6, 3, 1, 3, 2)),
            fc_units=7,
        ),
        (12, 12, 2),
    ),
    "series": (NetworkConfig(widths=(4, 6), depths=(2, 2), residual=True), (20, 3)),
    "resnet8_series": (NetworkConfig(family="resnet8", widths=(4, 6), depths=(2, 2)), (20, 3)),
    "ds_cnn_series": (NetworkConfig(family="ds_cnn", widths=(6, 8), depths=(1, 2)), (20, 3)),
    "tcn": (
        NetworkConfig(family="tcn", widths=(4, 6), depths=(2, 3), kernel=5, first_stride=2),
        (32, 3),
    ),
    "tcn_residual": (
        NetworkConfig(family="tcn", widths=(4, 6), depths=(2, 3), residual=True, block="separable"),
        (32, 3),
    ),
    "table": (NetworkConfig(widths=(4, 6), depths=(2, 3)), (13,)),
}


@functools.cache
def converted(name):
    from hintlite.deploy.convert.convert import to_int8
    from hintlite.models.student import build_student
    from hintlite.models.taps import logits_only

    config, shape = CASES[name]
    samples = np.random.default_rng(0).normal(size=(4, *shape)).astype(np.float32)
    student = randomize(logits_only(build_student(config, shape, CLASSES)))
    return read_model(to_int8(student, samples))  # biases of zeros would share one buffer


def operators(model):
    graph = model.main
    return [(each.name, graph.tensors[each.outputs[0]].shape) for each in graph.operators]


@pytest.mark.whole
@pytest.mark.parametrize("name", CASES)
def test_a_sketch_is_the_converted_network(name):
    drawn, real = sketch(*CASES[name], CLASSES), converted(name)
    assert operators(drawn) == operators(real)
    assert len(drawn.main.tensors) == len(real.main.tensors)
    assert count_file_parameters(drawn) == count_file_parameters(real)
    assert sum(count_operator_macs(drawn.main, each) for each in drawn.main.operators) == sum(
        count_operator_macs(real.main, each) for each in real.main.operators
    )
    plans = [greedy_plan(model_lifetimes(model)) for model in (drawn, real)]
    assert plans[0].arena_bytes == plans[1].arena_bytes
    assert arena_bytes(drawn) == arena_bytes(real)
    assert payload_bytes(drawn) == payload_bytes(real) < len(real.content)


def test_what_cannot_be_drawn_says_so():
    file = NetworkConfig(family="keras_file", path="x.keras")
    with pytest.raises(HintliteError, match="cannot be drawn"):
        sketch(file, (8, 8, 1), 3)
    with pytest.raises(HintliteError, match="pools"):
        sketch(NetworkConfig(widths=(4, 4, 4), depths=(1, 1, 1)), (3, 3, 1), 3)
