"""runtime.py and quantization.py: numbers in, numbers out, and no crash on a bad file."""

import struct

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

from hintlite.deploy.interpret.runtime import KERNELS, Runner
from hintlite.deploy.tflite.graph import ModelError
from hintlite.deploy.tflite.quantization import dequantize, normalize, quantize, softmax
from hintlite.errors import HintliteError


def test_quantize_rounds_halves_away_from_zero_and_clips():
    values = np.array([0.0, 0.25, 0.75, -0.25, -0.75, 1.0, 100.0, -100.0], np.float32)
    # steps of 0.5: 0, 0.5, 1.5, -0.5, -1.5, 2, 200, -200; zero point 3
    expected = [3, 4, 5, 2, 1, 5, 127, -128]
    result = quantize(values, 0.5, 3, np.int8)
    assert result.dtype == np.int8
    assert result.tolist() == expected


def test_quantize_does_not_round_up_what_is_just_below_a_half():
    below = np.array([np.nextafter(np.float32(0.5), np.float32(0))])
    assert quantize(below, 1.0, 0, np.int8).tolist() == [0]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_quantize_refuses_what_is_no_number(bad):
    with pytest.raises(HintliteError, match="NaN or infinity"):
        quantize(np.array([bad]), 1.0, 0, np.int8)
    with pytest.raises(HintliteError, match="positive"):
        quantize(np.array([1.0]), 0.0, 0, np.int8)


def test_dequantize_and_normalize_by_hand():
    assert dequantize(np.array([-128, 3, 5], np.int8), 0.5, 3).tolist() == [-65.5, 0.0, 1.0]
    raw = np.array([[[[10, 20]]]], np.uint8)
    assert normalize(raw, (4.0, 10.0), (2.0, 5.0)).tolist() == [[[[3.0, 2.0]]]]
    with pytest.raises(HintliteError, match="one mean and one positive"):
        normalize(raw, (4.0,), (2.0,))
    with pytest.raises(HintliteError, match="one mean and one positive"):
        normalize(raw, (4.0, 1.0), (2.0, 0.0))


def test_softmax_of_large_logits_is_finite():
    np.testing.assert_allclose(softmax(np.array([[1000.0, 1000.0]])), [[0.5, 0.5]])
    np.testing.assert_allclose(softmax(np.array([[0.0, np.log(3)]])), [[0.25, 0.75]], rtol=1e-6)


@pytest.mark.filterwarnings("ignore:Statistics for quantized")
def test_quantize_equals_tflites_reference_quantize_operator():
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    converter = tf.lite.TFLiteConverter.from_keras_model(chain())
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.representative_dataset = lambda: ([x[None]] for x in calibration())
    interpreter = Interpreter(
        model_content=converter.convert(),  # float input: its first operator is QUANTIZE
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    operator = interpreter._get_ops_details()[0]
    assert operator["op_name"] == "QUANTIZE"
    detail = interpreter._get_tensor_details(operator["outputs"][0], 0)
    scale, zero_point = detail["quantization"]
    # Exact halves of a step among the values, and values beyond the range.
    halves = (np.arange(np.prod(SHAPE)) - 64) * np.float32(scale) / 2
    values = halves.reshape(1, *SHAPE).astype(np.float32) * 3
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values)
    interpreter.invoke()
    stored = interpreter.get_tensor(operator["outputs"][0])
    np.testing.assert_array_equal(quantize(values, scale, zero_point, np.int8), stored)


@pytest.mark.parametrize("kernels", KERNELS)
def test_predict_equals_the_interpreter_called_by_hand(kernels):
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = {
        "xnnpack": OpResolverType.AUTO,
        "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        "reference": OpResolverType.BUILTIN_REF,
    }[kernels]
    interpreter = Interpreter(
        model_content=chain_int8(), experimental_op_resolver_type=resolver, num_threads=1
    )
    interpreter.allocate_tensors()
    (given,), (taken,) = interpreter.get_input_details(), interpreter.get_output_details()
    samples, expected = calibration(6, seed=2), []
    for sample in samples:
        steps = sample[None] / np.float32(given["quantization"][0])
        stored = np.floor(np.abs(steps) + 0.5) * np.sign(steps) + given["quantization"][1]
        interpreter.set_tensor(given["index"], np.clip(stored, -128, 127).astype(np.int8))
        interpreter.invoke()
        output = interpreter.get_tensor(taken["index"])[0].astype(np.float64)
        expected.append(taken["quantization"][0] * (output - taken["quantization"][1]))
    np.testing.assert_allclose(Runner(chain_int8(), kernels).predict(samples), expected, rtol=1e-6)


def test_kernels_agree_within_two_steps_and_threads_exactly():
    samples = calibration(20, seed=3)
    runners = {kernels: Runner(chain_int8(), kernels) for kernels in KERNELS}
    stored = runners["xnnpack"].input.to_stored(samples)
    outputs = {kernels: r.predict_raw(stored).astype(int) for kernels, r in runners.items()}
    for kernels in KERNELS:
        assert np.abs(outputs[kernels] - outputs["reference"]).max() <= 2
    two = Runner(chain_int8(), threads=2).predict_raw(stored)
    np.testing.assert_array_equal(two, outputs["xnnpack"])


def test_a_sample_alone_gives_what_it_gives_among_others(tmp_path):
    path = tmp_path / "chain.tflite"
    path.write_bytes(chain_float32())
    runner, samples = Runner(path), calibration(7, seed=4)
    together = runner.predict(samples)
    assert together.shape == (7, CLASSES)
    alone = np.concatenate([runner.predict(sample[None]) for sample in samples])
    np.testing.assert_array_equal(together, alone)
    assert runner.predict(samples[:0]).shape == (0, CLASSES)


def test_progress_counts_to_the_end():
    calls = []
    Runner(chain_int8()).predict(calibration(230), lambda done, total: calls.append((done, total)))
    assert calls == [(100, 230), (200, 230), (230, 230)]


def test_wrong_use_is_refused_in_a_sentence():
    runner = Runner(chain_int8())
    with pytest.raises(ModelError, match=r"shape \[n, 8, 8, 2\], got int8 \[3, 8, 8, 1\]"):
        runner.predict(np.zeros((3, 8, 8, 1)))
    with pytest.raises(ModelError, match=r"int8 samples.*got uint8"):
        runner.predict_raw(np.zeros((3, *SHAPE), np.uint8))
    with pytest.raises(HintliteError, match="NaN"):
        runner.predict(np.full((1, *SHAPE), np.nan))
    with pytest.raises(HintliteError, match="choose one of xnnpack, builtin, reference"):
        Runner(chain_int8(), "cuda")
    with pytest.raises(HintliteError, match="at least 1 thread"):
        Runner(chain_int8(), threads=0)


def test_a_model_with_two_outputs_is_refused():
    import keras
    import tensorflow as tf

    two = keras.Model(chain().inputs, [chain().output, chain().get_layer("pool").output])
    content = tf.lite.TFLiteConverter.from_keras_model(two).convert()
    with pytest.raises(ModelError, match="one input and one output, got 1 and 2"):
        Runner(content)


def test_kernels_that_lack_an_operator_say_which_to_try():
    from keras import layers

    from hintlite.deploy.convert.convert import to_int8

    content = to_int8(with_layer(layers.UpSampling2D(2)), calibration(3))
    with pytest.raises(ModelError, match=r"reference kernels.*TILE.*Try 'xnnpack' or 'builtin'"):
        Runner(content, "reference")


def test_files_that_are_no_models_are_refused_before_the_interpreter_sees_them(tmp_path):
    with pytest.raises(ModelError, match=r"Cannot read the model .*gone"):
        Runner(tmp_path / "gone.tflite")
    with pytest.raises(ModelError, match="is not a TFLite model"):
        Runner(b"")
    with pytest.raises(ModelError, match=r"must be b'TFL3', got b'4567'"):
        Runner(b"0123456789" * 10)
    content = chain_int8()
    for length in range(16, len(content), 97):
        with pytest.raises(ModelError, match="is damaged"):
            Runner(content[:length])


def test_scales_that_make_kernels_abort_are_refused():
    from hintlite.deploy.convert.convert import to_int8
    from hintlite.deploy.tflite.flatbuffer import read_model

    content = to_int8(every_layer(), calibration(3))
    graph = read_model(content).main
    add = next(operator for operator in graph.operators if operator.name == "ADD")
    scale = graph.tensors[add.outputs[0]].quantization.scales[0]
    stored = struct.pack("<f", scale)
    for damaged, message in ((1e-10, r"\(ADD\) adds steps of"), (1e-35, "a scale of 1e-35")):
        with pytest.raises(ModelError, match=message):
            Runner(content.replace(stored, struct.pack("<f", damaged)))


def test_a_stride_of_zero_is_refused():
    import tflite

    content = chain_int8()
    union = tflite.Model.GetRootAs(content).Subgraphs(0).Operators(0).BuiltinOptions()
    place = union.Pos + union.Offset(6)  # StrideW is the second field of Conv2DOptions
    changed = bytearray(content)
    assert struct.unpack_from("<i", changed, place)[0] == 1
    struct.pack_into("<i", changed, place, 0)
    with pytest.raises(ModelError, match="stride_w 0, which must be at least 1"):
        Runner(bytes(changed))
