"""Recurrent layers of Keras 3: an LSTM is one operator in the file, other loops are unrolled."""

import keras
import numpy as np
import pytest
from keras import layers

from hintlite.deploy.convert.form import FLOAT, Form
from hintlite.deploy.convert.forms import to_file
from hintlite.deploy.convert.frozen import End, frozen
from hintlite.deploy.convert.recurrent import convertible
from hintlite.deploy.interpret.runtime import Runner
from hintlite.deploy.interpret.worker import shared_worker
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.inspect import inspect

STEPS, CHANNELS, UNITS = 12, 3, 4


def _samples(count=24):
    return np.random.default_rng(0).normal(0, 1, (count, STEPS, CHANNELS)).astype(np.float32)


def _network(*recurrent):
    keras.utils.set_random_seed(0)
    sequence = keras.Input((STEPS, CHANNELS))
    x = sequence
    for layer in recurrent:
        x = layer(x)
    return keras.Model(sequence, layers.Dense(5)(x))


def _files(network, calibration):
    with convertible(network) as fused:
        whole = frozen(
            lambda x: network(x, training=False),
            [End("input", (STEPS, CHANNELS))],
            variables=[each.value for each in network.variables],
            fused=fused,
        )
        return to_file(whole, FLOAT), to_file(whole, Form(), [calibration])


@pytest.mark.parametrize(
    ("recurrent", "steps_of_macs"),
    [
        (lambda: [layers.LSTM(UNITS)], [CHANNELS]),
        (
            lambda: [layers.LSTM(UNITS, return_sequences=True), layers.LSTM(UNITS)],
            [CHANNELS, UNITS],
        ),
        (lambda: [layers.Bidirectional(layers.LSTM(UNITS))], [CHANNELS, CHANNELS]),
    ],
    ids=["one", "two", "both ways"],
)
def test_an_lstm_is_one_full_int8_operator_with_its_macs_counted(recurrent, steps_of_macs):
    keras.utils.set_random_seed(0)
    network, samples = _network(*recurrent()), _samples()
    before = network.predict(samples, verbose=0)
    float_file, int8_file = _files(network, samples)
    info = inspect(int8_file)
    assert info.is_full_int8, info.not_int8_reasons
    assert info.operator_counts["UNIDIRECTIONAL_SEQUENCE_LSTM"] == len(steps_of_macs)
    dense = 5 * UNITS * (2 if len(steps_of_macs) == 2 and steps_of_macs[1] == CHANNELS else 1)
    by_hand = sum(STEPS * 4 * UNITS * (width + UNITS) for width in steps_of_macs) + dense
    assert info.macs == by_hand
    assert np.abs(Runner(float_file).predict(samples) - before).max() < 1e-5
    error = Runner(int8_file).predict(samples) - before
    assert np.sqrt(np.mean(error**2)) < 0.05 * np.std(before)
    np.testing.assert_array_equal(network.predict(samples, verbose=0), before)  # as it was


def test_the_state_of_one_sample_does_not_reach_the_next():
    network, samples = _network(layers.LSTM(UNITS)), _samples()
    _, content = _files(network, samples)
    there = Runner(content).predict(samples)
    np.testing.assert_array_equal(Runner(content).predict(samples[::-1])[::-1], there)


def test_tflm_gives_what_the_reference_kernels_give():
    pytest.importorskip("tflite_micro")
    network, samples = _network(layers.LSTM(UNITS)), _samples()
    _, content = _files(network, samples)
    graph = read_model(content).main
    stored = Runner(content).input.to_stored(samples)
    found = [
        shared_worker().tensors(name, content, [stored[:, None]], [graph.outputs[0]])[0]
        for name in ("litert", "tflm")
    ]
    assert np.abs(found[0].astype(int) - found[1].astype(int)).max() <= 1


def test_a_gru_is_unrolled_and_full_int8():
    # Zero biases, as no trained network has them, would leave gates without a value to calibrate.
    network, samples = _network(layers.GRU(UNITS, bias_initializer="random_normal")), _samples()
    before = network.predict(samples, verbose=0)
    _, int8_file = _files(network, samples)
    info = inspect(int8_file)
    assert info.is_full_int8
    assert "WHILE" not in info.operator_counts
    assert np.mean(Runner(int8_file).predict(samples).argmax(1) == before.argmax(1)) > 0.8
    assert not network.layers[1].unroll


def test_an_lstm_of_other_activations_is_not_taken_for_the_kernel():
    network = _network(layers.LSTM(UNITS, activation="relu"))
    samples = _samples()
    with convertible(network) as fused:
        assert not fused
        whole = frozen(lambda x: network(x, training=False), [End("input", (STEPS, CHANNELS))])
    float_file = to_file(whole, FLOAT)
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" not in inspect(float_file).operator_counts
    expected = network.predict(samples, verbose=0)
    assert np.abs(Runner(float_file).predict(samples) - expected).max() < 1e-4
