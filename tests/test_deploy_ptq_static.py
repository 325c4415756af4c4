"""deploy/ptq: ranges of our own reach the file, and files of other precisions run."""

import functools
import importlib.util
import re

import numpy as np
import pytest
from c_export_models import ModelBuilder
from deploy_models import calibration, chain, chain_float32, chain_int8, every_layer, randomize
from ptq_networks import depthwise_chain, require_edge_quantizer

from hintlite.deploy.convert.checks import ConversionError, require_full_int8
from hintlite.deploy.convert.convert import to_float32
from hintlite.deploy.convert.verify import Bounds, verify
from hintlite.deploy.interpret.runtime import Runner
from hintlite.deploy.ptq import edge_quantizer
from hintlite.deploy.ptq.estimators import INT8_GRID, estimate
from hintlite.deploy.ptq.observe import observe
from hintlite.deploy.ptq.static import Choices, check_biases, to_integer
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import ModelError
from hintlite.deploy.tflite.inspect import inspect
from hintlite.deploy.tflite.weights import check_weights

require_edge_quantizer()
SAMPLES = calibration(200)[:60]  # within the ranges that calibration saw


@functools.cache
def seen():
    return observe(chain_float32(), calibration(200))


@functools.cache
def made(**choices):
    return to_integer(chain_float32(), seen(), Choices(**choices))


def agreement(content, network):
    exact = network.predict(SAMPLES, verbose=0)
    return np.mean(Runner(content).predict(SAMPLES).argmax(1) == exact.argmax(1))


def activations(content):
    """Name -> (scale, zero point) of every INT8 activation."""
    return {
        tensor.name: (tensor.quantization.scales[0], tensor.quantization.zero_points[0])
        for tensor in read_model(content).main.tensors
        if not tensor.constant and tensor.quantization
    }


def test_the_observer_sees_what_keras_computes():
    import keras

    network, samples = chain(), calibration(200)
    taps = keras.Model(network.inputs, [network.get_layer(f"relu{i}").output for i in range(3)])
    maps = taps.predict(samples, verbose=0)
    found = sorted(histogram.high for histogram in seen().values())
    for values in (samples, *maps, network.predict(samples, verbose=0)):
        assert any(high == pytest.approx(values.max(), rel=1e-4) for high in found)
    counted = {histogram.total for histogram in seen().values()}
    assert {samples.size, maps[0].size} <= counted


def test_a_tensor_that_is_not_finite_is_named():
    with pytest.raises(ModelError, match=r"not finite on calibration sample 0"):
        observe(chain_float32(), np.full((1, 8, 8, 2), 3e38, np.float32))


@pytest.mark.parametrize("ranges", ["minmax", "percentile", "mse"])
def test_the_estimated_range_is_the_range_of_the_file(ranges):
    content = made(ranges=ranges, percentile=99.0)
    require_full_int8(content)
    stored = activations(content)
    assert len(stored) >= 6
    compared = 0
    for name, histogram in seen().items():
        low, high = estimate(histogram, ranges, INT8_GRID, 99.0)
        step = (max(high, 0.0) - min(low, 0.0)) / 255
        if name in stored:
            assert stored[name][0] == pytest.approx(step, rel=1e-5), name
            assert stored[name][1] == pytest.approx(-128 - min(low, 0.0) / step, abs=0.51)
            compared += 1
    assert compared >= 6
    assert agreement(content, chain()) > 0.85


def test_narrower_ranges_have_smaller_steps_than_the_converters():
    whole, cut = activations(made()), activations(made(ranges="percentile", percentile=98.0))
    assert all(cut[name][0] <= whole[name][0] for name in whole)
    assert sum(cut[name][0] < 0.9 * whole[name][0] for name in whole) >= 3
    ours, converters = sorted(s for s, _ in whole.values()), activations(chain_int8())
    assert max(ours) == pytest.approx(max(s for s, _ in converters.values()), rel=0.01)


@pytest.mark.whole
@pytest.mark.parametrize("weights", ["octav", "mse"])
def test_other_ranges_of_weights_give_another_valid_file(weights):
    content = made(weight_ranges=weights)
    require_full_int8(content)
    assert content != made()
    kernels = [
        [t.values() for t in read_model(c).main.tensors if t.constant and t.dtype == "INT8"]
        for c in (content, made())
    ]
    assert any(not np.array_equal(a, b) for a, b in zip(*kernels, strict=True))
    assert agreement(content, chain()) > 0.85
    assert check_weights(content, chain(), clipped=True) == ()
    result = verify(
        chain(),
        (chain_float32(), content),
        SAMPLES,
        np.zeros(len(SAMPLES), np.int64),
        bounds=Bounds(0.8, 1e-3, 1.0),
        clipped=True,
    )
    assert result.ok, result.failures


def test_cut_off_weights_excuse_no_others():
    from keras import models

    other = models.clone_model(chain())
    other.set_weights(chain().get_weights())
    kernel = other.get_layer("conv1").kernel
    kernel.assign(kernel.numpy()[..., ::-1])
    problems = check_weights(made(weight_ranges="octav"), other, clipped=True)
    assert any("are not the student's" in problem for problem in problems)


def test_every_layer_of_ours_becomes_int8_and_agrees():
    network = every_layer()
    content = to_float32(network)
    found = observe(content, calibration(200))
    int8 = to_integer(content, found, Choices(ranges="mse"))
    require_full_int8(int8)
    exact, out = network.predict(SAMPLES, verbose=0), Runner(int8).predict(SAMPLES)
    assert np.sum((out - exact) ** 2) < 0.02 * np.sum(exact**2)
    # The pieces of a maxout have the range of their maximum: nothing is converted between them.
    graph = read_model(int8).main
    (maximum,) = [o for o in graph.operators if o.name == "MAXIMUM"]
    scales = {graph.tensors[i].quantization.scales for i in (*maximum.inputs, *maximum.outputs)}
    assert len(scales) == 1


def test_int16_activations_with_int8_weights_run_and_are_closer():
    content = made(activation_bits=16)
    info = inspect(content)
    assert info.precision == "int16x8"
    assert (info.inputs[0].dtype, info.outputs[0].dtype) == ("INT16", "INT16")
    graph = read_model(content).main
    dtypes = {t.dtype for t in graph.tensors if t.constant and t.quantization}
    assert dtypes == {"INT8", "INT64"}
    exact = chain().predict(SAMPLES, verbose=0)
    errors = [np.abs(Runner(c).predict(SAMPLES) - exact).max() for c in (content, made())]
    assert errors[0] < 0.9 * errors[1]
    result = verify(chain(), (chain_float32(), content), SAMPLES, exact.argmax(1), form="int16x8")
    assert result.ok, result.failures
    as_int8 = verify(chain(), (chain_float32(), content), SAMPLES, exact.argmax(1))
    assert any("INT16" in failure for failure in as_int8.failures)


def test_four_bit_weights_run_and_halve_the_kernels_that_have_them():
    network = depthwise_chain()
    content = to_float32(network)
    found = observe(content, calibration(200))
    four, eight = (to_integer(content, found, Choices(weight_bits=bits)) for bits in (4, 8))
    require_full_int8(four)
    graph = read_model(four).main
    dtypes = {
        operator.name: graph.tensors[operator.inputs[1]].dtype
        for operator in graph.operators
        if operator.name in {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
    }
    assert dtypes == {"CONV_2D": "INT4", "DEPTHWISE_CONV_2D": "INT8", "FULLY_CONNECTED": "INT4"}
    exact = with_weights_of(network, four).predict(SAMPLES, verbose=0)
    for kernels in ("xnnpack", "builtin", "reference"):
        out = Runner(four, kernels).predict(SAMPLES)
        assert np.sum((out - exact) ** 2) < 0.02 * np.sum(exact**2), kernels
    assert len(four) < len(eight)
    assert check_weights(four, network) == ()


def with_weights_of(network, content):
    """The network computing in float, with the rounded weights of a file."""
    from hintlite.models.fold import folded

    copy, graph = folded(network), read_model(content).main
    stored = [graph.tensors[o.inputs[1]] for o in graph.operators if len(o.inputs) == 3]
    layers = [layer for layer in copy.layers if layer.weights]
    for layer, tensor in zip(layers, stored, strict=True):
        values = tensor.real_values()
        if layer.name != "depthwise":  # TFLite: [out, h, w, in], dense [out, in]
            values = np.moveaxis(values, 0, -1)
        layer.kernel.assign(values.reshape(layer.kernel.shape))
    return copy


@pytest.fixture(scope="module")
def dead_channel():
    """A network with a channel of all but no weights and a bias, its file, and what it was on."""
    network = randomize(chain_copy())
    norm = network.get_layer("bn1")
    gamma, beta = norm.gamma.numpy(), norm.beta.numpy()
    gamma[0], beta[0] = 1e-12, 0.7
    norm.gamma.assign(gamma)
    norm.beta.assign(beta)
    content = to_float32(network)
    return network, content, observe(content, calibration(200))


@pytest.mark.parametrize("bits", [(8, 8), (8, 4), (16, 8), (16, 4)])
def test_a_channel_of_all_but_no_weights_keeps_its_bias(dead_channel, bits):
    network, content, found = dead_channel
    made = to_integer(content, found, Choices(activation_bits=bits[0], weight_bits=bits[1]))
    graph = read_model(made).main
    second = [operator for operator in graph.operators if operator.name == "CONV_2D"][1]
    bias = graph.tensors[second.inputs[2]]
    assert bias.real_values()[0] == pytest.approx(0.7, rel=1e-3)
    exact, out = with_weights_of(network, made).predict(SAMPLES, verbose=0), Runner(made)
    assert np.sum((out.predict(SAMPLES) - exact) ** 2) < 0.02 * np.sum(exact**2)


@pytest.mark.parametrize("weights", ["octav", "mse"])
@pytest.mark.parametrize("activation_bits", [8, 16])
def test_a_bias_that_was_cut_off_is_refused(dead_channel, weights, activation_bits):
    _, content, found = dead_channel
    choices = Choices(weight_ranges=weights, activation_bits=activation_bits)
    with pytest.raises(ConversionError, match=rf"too small beside its bias.*\({weights} does not"):
        to_integer(content, found, choices)


def test_the_cure_is_none_that_was_chosen_already():
    """A bias at the end of INT32 beside an input that is all but 0."""
    builder = ModelBuilder()
    x, y = builder.tensor([1, 2], 1e-12, 0), builder.tensor([1, 1], 0.1, 0)
    kernel = builder.tensor([1, 2], 0.1, data=np.ones((1, 2), np.int8))
    bias = builder.tensor([1], 1e-13, data=np.array([2**31 - 1]), dtype="int32")
    builder.operator("FULLY_CONNECTED", [x, kernel, bias], [y])
    model = read_model(builder.finish([x], [y]))
    with pytest.raises(ConversionError, match=r"Set quantize\.weight_ranges to minmax"):
        check_biases(model, "octav")
    with pytest.raises(ConversionError, match=r"input hardly differs from 0.*calibrate with") as no:
        check_biases(model, "minmax")
    assert "minmax" not in str(no.value)


@pytest.mark.whole
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("weight_ranges", ["minmax", "mse"])
def test_a_transposed_convolution_becomes_int8_and_agrees(use_bias, weight_ranges):
    import keras
    from keras import layers

    inputs = keras.Input(chain().input_shape[1:])
    x = layers.Conv2DTranspose(3, 3, strides=2, padding="same", use_bias=use_bias)(inputs)
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    network = randomize(keras.Model(inputs, layers.Dense(4)(x)))
    content = to_float32(network)
    found = observe(content, calibration(200))
    made = to_integer(content, found, Choices(ranges="mse", weight_ranges=weight_ranges))
    require_full_int8(made)
    exact, out = network.predict(SAMPLES, verbose=0), Runner(made).predict(SAMPLES)
    assert np.sum((out - exact) ** 2) < 0.02 * np.sum(exact**2)


def chain_copy():
    from keras import models

    return models.clone_model(chain())


def test_a_layer_that_the_package_does_not_know_is_named():
    from deploy_models import with_layer
    from keras import layers

    content = to_float32(with_layer(layers.LeakyReLU()))
    found = observe(content, calibration(10))
    with pytest.raises(ConversionError, match=r"\(LEAKY_RELU\) int8.*quantize\.ranges"):
        to_integer(content, found, Choices(ranges="mse"))


def test_a_missing_package_gives_the_command_that_installs_it(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        edge_quantizer.importlib.util,
        "find_spec",
        lambda name: None if name == "ai_edge_quantizer" else find(name),
    )
    with pytest.raises(ConversionError, match=re.escape(edge_quantizer.REQUIREMENT)):
        edge_quantizer.require_package()
