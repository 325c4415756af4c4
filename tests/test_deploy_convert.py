"""convert.py: Keras networks to files of four precisions, and refusals that say why."""

import hashlib
import os
import re
import subprocess
import sys
import tempfile

import numpy as np
import pytest
from deploy_models import (
    CLASSES,
    SHAPE,
    calibration,
    chain,
    chain_float32,
    chain_int8,
    every_layer,
    with_layer,
)

from hintlite.deploy.convert.convert import (
    ConversionError,
    require_full_int8,
    to_dynamic_range,
    to_float16,
    to_float32,
    to_int8,
)
from hintlite.deploy.interpret.runtime import Runner
from hintlite.deploy.tflite.flatbuffer import read_model


def test_float32_file_computes_what_keras_computes():
    samples = calibration(5, seed=1)
    logits = chain().predict(samples, verbose=0)
    np.testing.assert_allclose(Runner(chain_float32()).predict(samples), logits, atol=1e-5)


def test_every_layer_becomes_int8_without_shape_operators():
    graph = read_model(to_int8(every_layer(), calibration())).main
    operators = {operator.name for operator in graph.operators}
    assert operators == {
        *("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "MAXIMUM", "MAX_POOL_2D"),
        *("AVERAGE_POOL_2D", "MEAN", "CONCATENATION", "RESHAPE"),
    }
    assert {tensor.dtype for tensor in graph.tensors} == {"INT8", "INT32"}


def test_files_have_one_named_signature_with_batch_one():
    for content in (chain_float32(), chain_int8()):
        model = read_model(content)
        (signature,) = model.signatures
        assert signature.key == "serving_default"
        tensors = model.main.tensors
        assert tensors[signature.inputs["input"]].shape_signature == (1, *SHAPE)
        assert tensors[signature.outputs["logits"]].shape_signature == (1, CLASSES)


def test_float16_halves_the_weights_and_dynamic_range_quarters_the_large_ones():
    from keras import layers

    wide = with_layer(layers.Conv2D(64, 3, name="wide"))  # 4*3*3*64 = 2304 weights

    def kernel_dtypes(content):
        constants = [t for t in read_model(content).main.tensors if t.constant]
        return [tensor.dtype for tensor in constants if tensor.elements == 2304]

    assert kernel_dtypes(to_float32(wide)) == ["FLOAT32"]
    assert kernel_dtypes(to_float16(wide)) == ["FLOAT16"]
    assert kernel_dtypes(to_dynamic_range(wide)) == ["INT8"]


def test_input_scale_is_the_range_of_the_calibration_samples():
    samples = calibration(200)
    # TFLite widens the range to hold 0; 255 steps span it.
    low, high = min(samples.min(), 0.0), max(samples.max(), 0.0)
    assert Runner(chain_int8()).input.scale == pytest.approx((high - low) / 255, rel=1e-5)


def test_the_same_weights_and_samples_give_the_same_bytes():
    import keras

    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])  # moves Keras' name counters
    assert to_int8(chain(), calibration(200)) == chain_int8()
    assert to_float32(chain()) == chain_float32()
    assert to_int8(chain(), calibration(200, seed=5)) != chain_int8()


@pytest.mark.slow(modules=["hintlite.deploy.convert"])
def test_two_processes_give_the_same_bytes():
    script = "import sys, deploy_models; sys.stdout.buffer.write(deploy_models.chain_int8())"
    here = os.path.dirname(__file__)
    command = [sys.executable, "-c", script]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([here, os.path.dirname(here)])}
    runs = [
        subprocess.run(command, check=True, capture_output=True, env=environment).stdout
        for _ in range(2)
    ]
    digests = {hashlib.sha256(content).hexdigest() for content in (*runs, chain_int8())}
    assert len(digests) == 1


def test_files_hold_no_path_and_no_date():
    for content in (chain_float32(), chain_int8()):
        assert not re.search(rb"\.py|20[23]\d-[01]\d", content)
        for folder in (tempfile.gettempdir(), os.path.dirname(os.path.dirname(__file__))):
            assert folder.encode() not in content


def test_nothing_is_printed_and_no_temporary_file_stays(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    to_int8(chain(), calibration(3))
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


def test_an_operator_without_int8_kernel_is_named_with_index_and_tensor():
    from keras import layers

    model = with_layer(layers.ELU(name="my_elu"))
    with pytest.raises(ConversionError, match=r"Operator 2 \(ELU\).*FLOAT32.*tensor \d+ '.*my_elu"):
        to_int8(model, calibration())
    assert to_float32(model)  # as a float file it is fine


def test_an_operation_that_tflite_lacks_is_named():
    import keras
    import tensorflow as tf

    model = with_layer(keras.layers.Lambda(tf.math.erfinv))
    with pytest.raises(ConversionError, match="TFLite has no operator for Erfinv"):
        to_float32(model)


def test_a_dead_layer_is_refused():
    import keras
    from keras import layers

    inputs = keras.Input(SHAPE)
    dead = layers.Conv2D(4, 1, bias_initializer=keras.initializers.Constant(-1e4))(inputs)
    pooled = layers.GlobalAveragePooling2D()(layers.ReLU(name="dead_relu")(dead))
    model = keras.Model(inputs, layers.Dense(CLASSES)(pooled))
    with pytest.raises(ConversionError, match=r"dead_relu.*0 on every calibration sample"):
        to_int8(model, calibration())


def test_full_int8_is_checked_on_the_file():
    require_full_int8(chain_int8())
    with pytest.raises(ConversionError, match=r"Operator 0 \(CONV_2D\) works on FLOAT32"):
        require_full_int8(chain_float32())


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((3, *SHAPE)), "float32 array.*got float64"),
        ([[1.0]], "float32 array.*got list"),
        (np.zeros((3, 8, 8, 3), np.float32), r"\[n, 8, 8, 2\].*got \[3, 8, 8, 3\]"),
        (np.zeros(SHAPE, np.float32), r"got \[8, 8, 2\]"),
        (np.zeros((0, *SHAPE), np.float32), "at least 1 sample"),
        (np.stack([np.zeros(SHAPE), np.full(SHAPE, np.nan)]).astype("f4"), "sample 1 holds NaN"),
    ],
)
def test_unfit_calibration_data_is_refused(samples, message):
    with pytest.raises(ConversionError, match=message):
        to_int8(chain(), samples)


def test_networks_of_another_form_are_refused():
    import keras

    two = keras.Model(chain().inputs, [chain().output, chain().get_layer("pool").output])
    with pytest.raises(ConversionError, match=r"one input and one output.*got 1 and 2"):
        to_float32(two)
    inputs = keras.Input((None, None, 2))
    free = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs))
    with pytest.raises(ConversionError, match="fixed sizes"):
        to_float32(free)
    with pytest.raises(ConversionError, match=r"functional keras\.Model, got str"):
        to_float32("student.keras")


def test_weights_that_are_not_finite_are_named():
    from keras import layers

    model = with_layer(layers.ReLU())
    model.get_layer("before").bias.assign([0, np.nan, 0, 0])
    with pytest.raises(ConversionError, match="'before/bias' holds NaN"):
        to_float32(model)
