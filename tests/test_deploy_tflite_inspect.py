"""inspect.py and what it reads with: figures worked out by hand, and damaged files."""

import functools
import json
import struct

import numpy as np
import pytest
from deploy_models import SHAPE, chain, chain_float32, chain_int8, randomize

from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import Graph, ModelError, Operator, Quantization, Tensor
from hintlite.deploy.tflite.inspect import inspect
from hintlite.deploy.tflite.macs import count_operator_macs


def make_tensor(index, shape, dtype="FLOAT32", data=None, quantization=None):
    return Tensor(
        index=index,
        name=f"t{index}",
        shape=shape,
        shape_signature=shape,
        dtype=dtype,
        quantization=quantization,
        buffer=0,
        data=data,
        sparse=False,
    )


def macs_of(name, shapes, output, options=None):
    tensors = tuple(make_tensor(i, shape) for i, shape in enumerate((*shapes, output)))
    inputs = tuple(range(len(shapes)))
    operator = Operator(0, name, 1, False, inputs, (len(shapes),), options or {})
    return count_operator_macs(Graph("main", tensors, (operator,), (0,), (1,)), operator)


@functools.cache
def mixed_float32():
    """8x8x2 -> strided conv 4x4x6 -> depthwise 4x4x6 -> transposed 8x8x3 -> dense 5."""
    import keras
    from keras import layers

    from hintlite.deploy.convert.convert import to_float32

    x = inputs = keras.Input(SHAPE)
    x = layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, padding="same", dilation_rate=1)(x)
    x = layers.Conv2DTranspose(3, 4, strides=2, padding="same")(x)
    model = keras.Model(inputs, layers.Dense(5)(layers.Flatten()(x)))
    return to_float32(randomize(model))


def test_macs_and_parameters_of_a_network_by_hand():
    info = inspect(mixed_float32())
    weighted = [op for op in info.operators if op.parameters]
    assert [(op.name, op.macs) for op in weighted] == [
        ("CONV_2D", 4 * 4 * 6 * 3 * 3 * 2),
        ("DEPTHWISE_CONV_2D", 4 * 4 * 6 * 3 * 3),
        ("TRANSPOSE_CONV", 4 * 4 * 6 * 4 * 4 * 3),
        ("FULLY_CONNECTED", 8 * 8 * 3 * 5),
    ]
    assert info.macs == 1728 + 864 + 4608 + 960
    # Kernels, and a bias for each: batch normalization is folded into the first.
    assert info.parameters == (108 + 6) + (54 + 6) + (288 + 3) + (960 + 5)
    assert dict(info.operator_counts)["CONV_2D"] == 1


def test_options_of_operators_are_read():
    convolution = inspect(mixed_float32()).operators[0]
    assert convolution.options["padding"] == "SAME"
    assert convolution.options["stride_h"] == convolution.options["stride_w"] == 2
    assert convolution.options["dilation_h_factor"] == 1
    assert convolution.options["fused_activation_function"] == "RELU"
    assert convolution.input_shapes == ((1, 8, 8, 2), (6, 3, 3, 2), (6,))
    assert convolution.output_shapes == ((1, 4, 4, 6),)


def test_rows_say_what_each_operator_does():
    rows = inspect(mixed_float32()).rows()
    assert rows[0] == (
        *("0", "CONV_2D", "1x8x8x2 6x3x3x2 6", "1x4x4x6"),
        *("SAME, stride 2x2, RELU", "114", "1,728"),
    )


@pytest.mark.parametrize(
    ("name", "shapes", "output", "options", "macs"),
    [
        ("CONV_2D", [(1, 8, 8, 6), (4, 3, 3, 2), (4,)], (1, 8, 8, 4), {}, 8 * 8 * 4 * 9 * 2),
        ("BATCH_MATMUL", [(2, 3, 5), (2, 5, 7)], (2, 3, 7), {}, 2 * 3 * 7 * 5),
        ("BATCH_MATMUL", [(2, 5, 3), (2, 5, 7)], (2, 3, 7), {"adj_x": True}, 2 * 3 * 7 * 5),
        ("CONV_3D", [(1, 4, 8, 8, 2), (3, 3, 3, 2, 5)], (1, 2, 6, 6, 5), {}, 360 * 27 * 2),
        ("FULLY_CONNECTED", [(-1, 10), (3, 10)], (-1, 3), {}, 30),
        ("ADD", [(1, 4), (1, 4)], (1, 4), {}, 0),
    ],
)
def test_macs_of_single_operators(name, shapes, output, options, macs):
    assert macs_of(name, shapes, output, options) == macs


def test_an_operator_without_its_kernel_is_an_error():
    with pytest.raises(ModelError, match=r"Operator 0 \(CONV_2D\) lacks tensor 1"):
        macs_of("CONV_2D", [(1, 8, 8, 6)], (1, 8, 8, 4))
    with pytest.raises(ModelError, match="expected rank 4"):
        macs_of("CONV_2D", [(1, 8, 8, 6), (4, 3)], (1, 8, 8, 4))


def test_full_int8_and_its_opposite():
    info = inspect(chain_int8())
    assert info.is_full_int8
    assert info.not_int8_reasons == ()
    assert info.precision == "int8"
    (given,) = info.inputs
    assert (given.dtype, given.shape, len(given.scales)) == ("INT8", (1, *SHAPE), 1)
    kernel = next(t for t in info.tensors if t.constant and t.shape == (4, 3, 3, 2))
    assert len(kernel.scales) == 4
    assert kernel.zero_points == (0, 0, 0, 0)
    assert kernel.buffer_bytes == 4 * 3 * 3 * 2

    info = inspect(chain_float32())
    assert not info.is_full_int8
    assert info.precision == "float32"
    assert info.not_int8_reasons[0].startswith("Operator 0 (CONV_2D) works on FLOAT32")
    assert "The model's input 0" in info.not_int8_reasons[-2]


def test_precision_of_half_quantized_files():
    from keras import layers, models

    from hintlite.deploy.convert.convert import to_dynamic_range, to_float16

    wide = models.Sequential(
        [layers.Input(SHAPE), layers.Conv2D(64, 6), layers.Flatten(), layers.Dense(3)]
    )
    assert inspect(to_float16(wide)).precision == "float16"
    assert inspect(to_dynamic_range(wide)).precision == "dynamic_range"


def test_json_form_holds_everything(tmp_path):
    path = tmp_path / "chain.tflite"
    path.write_bytes(chain_int8())
    info = inspect(path)
    read = json.loads(json.dumps(info.to_dict(), allow_nan=False))
    assert read["file_bytes"] == len(chain_int8())
    assert len(read["operators"]) == len(info.operators) == 5
    assert read["signatures"][0]["key"] == "serving_default"
    assert read["min_runtime_version"].count(".") == 2


def test_weights_are_views_of_the_file():
    model = read_model(chain_float32())
    whole = np.frombuffer(model.content, np.uint8)
    constants = [tensor for tensor in model.main.tensors if tensor.constant]
    assert constants
    assert all(np.shares_memory(tensor.values(), whole) for tensor in constants)


def test_values_of_constants_by_hand():
    packed = np.array([0x21, 0x8F, 0x07], np.uint8)  # low nibble first: 1 2 -1 -8 7
    tensor = make_tensor(0, (5,), "INT4", packed)
    assert tensor.values().tolist() == [1, 2, -1, -8, 7]
    per_channel = Quantization((0.5, 2.0), (0, 1), 1)
    stored = np.array([[2, 3], [-4, 5]], np.int8)
    tensor = make_tensor(0, (2, 2), "INT8", stored.view(np.uint8).ravel(), per_channel)
    assert tensor.real_values().tolist() == [[1.0, 4.0], [-2.0, 8.0]]
    with pytest.raises(ModelError, match="no dense FLOAT32 values"):
        make_tensor(0, (2,)).values()


def test_float_weights_in_the_file_are_kerass():
    info, kernel = read_model(chain_float32()).main, chain().get_layer("head").kernel.numpy()
    (stored,) = [t.values() for t in info.tensors if t.constant and t.shape == kernel.T.shape]
    np.testing.assert_array_equal(stored, kernel.T)


@pytest.mark.parametrize("content", [b"", b"TFL3", bytes(100), b"\x10\0\0\0TFL3" + bytes(92)])
def test_small_files_that_are_no_models(content):
    with pytest.raises(ModelError):
        inspect(content)


def test_random_bytes_behind_the_right_identifier():
    for seed in range(50):
        noise = np.random.default_rng(seed).bytes(500)
        with pytest.raises(ModelError):
            inspect(noise[:4] + b"TFL3" + noise[4:])


def outcome(content):
    """The damaged file's size where it can still be read, else the sentence that refuses it."""
    try:
        return inspect(content).file_bytes
    except ModelError as error:
        return str(error)


def test_damaged_files_end_in_a_sentence_or_in_figures():
    outcomes = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        damaged = bytearray(chain_int8())
        for position in rng.integers(0, len(damaged), 3):
            damaged[position] = rng.integers(256)
        outcomes.append(outcome(bytes(damaged)))
    sentences = [result for result in outcomes if isinstance(result, str)]
    assert 40 < len(sentences) < 400
    assert all(sentence.endswith(".") and len(sentence) > 30 for sentence in sentences)


def test_a_list_of_four_billion_entries_is_refused_at_once():
    content = chain_int8()
    operators = len(read_model(content).main.operators)
    damaged = bytearray(content)
    found = 0
    for position in range(0, len(content) - 4, 4):
        if struct.unpack_from("<I", content, position)[0] == operators:
            struct.pack_into("<I", damaged, position, 0xFFFFFFF0)
            found += 1
    assert found > 0
    with pytest.raises(ModelError, match="is damaged"):
        inspect(bytes(damaged))


def test_a_folder_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(ModelError, match="Cannot read the model"):
        inspect(tmp_path)
    with pytest.raises(ModelError, match=r"nothing\.tflite"):
        inspect(tmp_path / "nothing.tflite")


def test_unknown_operators_are_custom_and_named():
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((1, 4), tf.float32)])
    def network(x):
        return tf.math.erfinv(x)

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [network.get_concrete_function()], tf.Module()
    )
    converter.allow_custom_ops = True
    info = inspect(converter.convert())
    assert [operator.name for operator in info.operators] == ["Erfinv"]
    assert "custom operator" in info.not_int8_reasons[0]
