"""The family conv_lstm as INT8: one fused operator for the LSTM, ordinary ones for the GRU."""

import keras
import numpy as np
import pytest

from hintlite.deploy.convert.convert import to_float32, to_int8
from hintlite.deploy.convert.verify import verify
from hintlite.deploy.tflite.inspect import inspect
from hintlite.models.cost import count_macs
from hintlite.models.settings import NetworkConfig
from hintlite.models.student import build_student
from hintlite.models.taps import logits_only


@pytest.mark.parametrize("recurrent", ["lstm", "gru"])
def test_conv_lstm_becomes_full_int8(recurrent):
    keras.utils.set_random_seed(1)
    settings = {"widths": (6, 4), "depths": (1, 1), "recurrent": recurrent}
    config = NetworkConfig(family="conv_lstm", **settings)
    network = logits_only(build_student(config, (12, 3), 4))
    samples = np.random.default_rng(0).normal(size=(60, 12, 3)).astype(np.float32)
    labels = network.predict(samples, verbose=0).argmax(axis=1)

    files = to_float32(network), to_int8(network, samples)

    found = inspect(files[1])
    assert found.is_full_int8
    fused = recurrent == "lstm"
    assert ("UNIDIRECTIONAL_SEQUENCE_LSTM" in found.operator_counts) == fused
    if fused:
        assert found.macs == count_macs(network)
    checked = verify(network, files, samples, labels)
    assert checked.figures.agreement > 0.8
    assert checked.figures.max_float_error < 1e-3
