"""Layers with fake quantization, and the files of their networks: full INT8, the same values."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from hintlite.deploy.convert.checks import ConversionError
from hintlite.deploy.convert.fake_quant import fake_quantized_file
from hintlite.deploy.convert.keras_logits import keras_logits
from hintlite.deploy.interpret.runtime import Runner
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.errors import NetworkError
from hintlite.models.fake_quant.build import Ends, fake_quantized, observe
from hintlite.models.fake_quant.inference import inference_function
from hintlite.models.fake_quant.ranges import FakeQuantize, quantized_kernel
from hintlite.models.taps import logits_only, with_taps

PICTURE, SERIES, ROW = (8, 8, 4), (16, 4), (6,)


def conv(filters=5, activation="relu", **settings):
    return layers.Conv2D(filters, 3, activation=activation, **settings)


def normed(layer, after=layers.ReLU):
    return lambda x: after()(layers.BatchNormalization()(layer(x)))


def of_two(layer):
    return lambda x: layer([conv()(x), conv(activation=None)(x)])


def behind(*following):
    def network(x):
        y = conv()(x)
        for layer in following:
            y = layer(y)
        return y

    return network


def behind_series(*following):
    def network(x):
        y = layers.Conv1D(5, 3, activation="relu")(x)
        for layer in following:
            y = layer(y)
        return y

    return network


def excited(x):
    """Squeeze and excitation."""
    y = conv(activation="silu")(x)
    gate = layers.Conv2D(5, 1, activation="sigmoid")(
        layers.GlobalAveragePooling2D(keepdims=True)(y)
    )
    return layers.Multiply()([y, gate])


def skipped(x):
    """A sum that a ReLU and another sum read."""
    y = layers.Add()([conv(activation=None)(x), conv(activation=None)(x)])
    return layers.Add()([layers.ReLU()(y), y])


def residual(x):
    y = normed(conv(4, None, padding="same", use_bias=False))(x)
    y = layers.BatchNormalization()(conv(4, None, padding="same", use_bias=False)(y))
    return layers.GlobalAveragePooling2D()(layers.ReLU(6.0)(layers.Add()([x, y])))


def nested(x):
    inner_in = keras.Input(PICTURE)
    inner = keras.Model(inner_in, normed(conv(use_bias=False))(inner_in))
    stack = keras.Sequential([keras.Input((6, 6, 5)), layers.Flatten(), layers.Dense(4)])
    return stack(inner(x))


KINDS = {
    "convolution": (PICTURE, conv()),
    "strided": (PICTURE, conv(activation="relu6", strides=2, padding="same")),
    "dilated": (PICTURE, conv(dilation_rate=2, padding="same")),
    "grouped": (PICTURE, conv(6, groups=2)),
    "normalized": (PICTURE, normed(conv(activation=None, use_bias=False))),
    "depthwise": (PICTURE, layers.DepthwiseConv2D(3, depth_multiplier=2)),
    "depthwise normalized": (PICTURE, normed(layers.DepthwiseConv2D(3, strides=2))),
    "separable": (PICTURE, normed(layers.SeparableConv2D(5, 3))),
    "transposed": (PICTURE, normed(layers.Conv2DTranspose(5, 3, strides=2, padding="same"))),
    "dense": (ROW, layers.Dense(7, activation="relu")),
    "dense normalized": (ROW, normed(layers.Dense(7))),
    "series": (SERIES, normed(layers.Conv1D(5, 3, padding="causal", dilation_rate=2))),
    "series strided": (SERIES, layers.Conv1D(5, 3, strides=2, padding="same")),
    "series depthwise": (SERIES, layers.DepthwiseConv1D(3, strides=2, padding="same")),
    "series separable": (SERIES, layers.SeparableConv1D(5, 3, padding="same")),
    "add": (PICTURE, of_two(layers.Add())),
    "subtract": (PICTURE, of_two(layers.Subtract())),
    "multiply": (PICTURE, of_two(layers.Multiply())),
    "average": (PICTURE, of_two(layers.Average())),
    "concatenate": (PICTURE, of_two(layers.Concatenate())),
    "maximum": (PICTURE, of_two(layers.Maximum())),
    "minimum": (PICTURE, of_two(layers.Minimum())),
    "sum of three": (PICTURE, lambda x: layers.Add()([conv(activation=None)(x) for _ in "abc"])),
    "operators": (PICTURE, behind(lambda y: y + 2.0 * y - 0.5)),
    "unlike ranges": (
        PICTURE,
        lambda x: layers.Concatenate()([conv(activation="sigmoid")(x), conv()(x)]),
    ),
    "max pooling": (PICTURE, behind(layers.MaxPooling2D())),
    "average pooling": (PICTURE, behind(layers.AveragePooling2D(3, 1, "same"))),
    "global average": (PICTURE, behind(layers.GlobalAveragePooling2D())),
    "global maximum": (PICTURE, behind(layers.GlobalMaxPooling2D())),
    "mean": (PICTURE, behind(lambda y: ops.mean(y, axis=(1, 2)))),
    "series pooling": (
        SERIES,
        behind_series(
            layers.MaxPooling1D(), layers.AveragePooling1D(2), layers.GlobalAveragePooling1D()
        ),
    ),
    "nearest": (PICTURE, behind(layers.UpSampling2D())),
    "bilinear": (PICTURE, behind(layers.UpSampling2D(interpolation="bilinear"))),
    "repeated": (SERIES, behind_series(layers.UpSampling1D())),
    "resized": (PICTURE, behind(layers.Resizing(5, 5))),
    "padded": (PICTURE, behind(layers.ZeroPadding2D(2), layers.Cropping2D(1))),
    "series padded": (SERIES, behind_series(layers.ZeroPadding1D(2), layers.Cropping1D(1))),
    "shaped": (
        PICTURE,
        behind(layers.Reshape((4, 9, 5)), layers.Permute((2, 1, 3)), layers.Flatten()),
    ),
    "cut": (PICTURE, behind(lambda y: y[:, 1:, :, :3])),
    **{
        name: (PICTURE, conv(activation=name))
        for name in ("leaky_relu", "sigmoid", "tanh", "softmax", "silu", "hard_silu", "gelu")
    },
    "hard_sigmoid": (PICTURE, conv(activation="hard_sigmoid")),
    "clipped": (PICTURE, lambda x: layers.ReLU(3.0)(conv(activation=None)(x))),
    "skipped": (PICTURE, skipped),
    "excited": (PICTURE, excited),
    "lone normalization": (PICTURE, behind(layers.MaxPooling2D(), normed(lambda x: x))),
    "series lone normalization": (
        SERIES,
        behind_series(layers.MaxPooling1D(), normed(lambda x: x)),
    ),
    "rescaled": (PICTURE, lambda x: conv()(layers.Rescaling(1 / 127.5, -1)(x))),
    "standardized": (
        PICTURE,
        lambda x: conv()(
            layers.Normalization(mean=[0.1, 0.2, 0.3, 0.4], variance=[1, 2, 3, 0.4])(x)
        ),
    ),
    "training only": (
        PICTURE,
        lambda x: layers.ReLU()(layers.Dropout(0.3)(conv(activation=None)(layers.RandomFlip()(x)))),
    ),
    "residual": (PICTURE, residual),
    "nested": (PICTURE, nested),
}
FEW = ["residual", "nested", "separable", "series", "skipped", "excited", "unlike ranges"]
FOUR_BITS = ["grouped", "depthwise normalized", "separable", "dense", "series"]
NO_REFERENCE_KERNEL = ("repeated",)  # TILE


def network_of(name):
    shape, layer = KINDS[name]
    keras.utils.set_random_seed(3)
    inputs = keras.Input(shape)
    model = keras.Model(inputs, layer(inputs), name="net")
    unsettle(model)
    return model


def unsettle(model, seed=5):
    """Normalizations and biases that are not those of an untrained network."""
    random = np.random.default_rng(seed)
    for layer in model._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            size = layer.moving_mean.shape
            signs = random.choice([-1, 1], size)
            layer.set_weights(
                [
                    random.uniform(0.5, 1.5, size) * signs,
                    0.3 * random.normal(size=size),
                    0.2 * random.normal(size=size),
                    random.uniform(0.5, 2, size),
                ]
            )
        elif getattr(layer, "bias", None) is not None:
            layer.bias.assign(0.2 * random.normal(size=layer.bias.shape))


def samples_of(model, count=48, seed=0):
    low, high = (0, 255) if any("rescaling" in layer.name for layer in model.layers) else (-1, 1)
    shape = (count, *model.inputs[0].shape[1:])
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def steps_apart(aware, samples, kernels="reference"):
    """Of each output of the file from that of the network, in steps of the file's output."""
    content = fake_quantized_file(inference_function(aware), samples.shape[1:])
    runner = Runner(content, kernels)
    found, expected = runner.predict(samples), keras_logits(aware, samples)
    return np.abs(found.reshape(expected.shape) - expected) / runner.output.scale, content


def check_kind(name, bits=8):
    model = network_of(name)
    samples = samples_of(model)
    aware = fake_quantized(model, bits)
    observe(aware, samples)
    reference = bits == 8 and name not in NO_REFERENCE_KERNEL
    steps, content = steps_apart(aware, samples, "reference" if reference else "builtin")
    assert steps.max() <= 4
    assert steps.mean() <= 0.6
    return content


@pytest.mark.parametrize("name", FEW)
def test_a_network_and_its_file_compute_the_same(name):
    check_kind(name)


@pytest.mark.slow(modules=["hintlite.models.fake_quant", "hintlite.deploy.convert.fake_quant"])
@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_layer_and_its_file_compute_the_same(name):
    check_kind(name)


@pytest.mark.slow(modules=["hintlite.models.fake_quant", "hintlite.deploy.convert.fake_quant"])
@pytest.mark.parametrize(
    "name", ["grouped", "depthwise normalized", "separable", "dense", "series"]
)
def test_four_bits_are_stored_as_such(name):
    content = check_kind(name, bits=4)
    weights = [t for t in read_model(content).main.tensors if t.dtype == "INT4"]
    assert all(np.abs(tensor.values()).max() == 7 for tensor in weights)


def test_bits_of_single_layers():
    inputs = keras.Input(PICTURE)
    y = layers.Conv2D(5, 3, name="four")(inputs)
    y = layers.Conv2D(5, 3, name="eight")(y)
    model = keras.Model(inputs, layers.Conv2DTranspose(2, 2, name="up")(y))
    aware = fake_quantized(model, {"four": 4})
    found = {layer.name: layer.bits for layer in aware.layers if layer.name in ("four", "eight")}
    assert found == {"four": 4, "eight": 8}
    assert fake_quantized(model, 4).get_layer("up").bits == 8  # for want of a kernel
    with pytest.raises(NetworkError, match="no Conv2DTranspose of 4 bits"):
        fake_quantized(model, {"up": 4})


def test_kernels_lie_on_a_symmetric_grid():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 4, 5)).astype(np.float32)
    scale = np.abs(kernel).max(axis=(0, 1, 2)) / 127
    expected = np.round(kernel / scale) * scale
    np.testing.assert_allclose(quantized_kernel(kernel, 8, True), expected, atol=1e-6)
    scale = np.abs(kernel).max() / 7
    expected = np.round(kernel / scale) * scale
    np.testing.assert_allclose(quantized_kernel(kernel, 4, False), expected, atol=1e-6)


def test_ranges_follow_the_extremes_of_batches():
    layer = FakeQuantize(momentum=0.9)
    layer(np.array([-2.0, 4.0], np.float32), training=True)
    assert (float(layer.low), float(layer.high)) == (-2.0, 4.0)
    layer(np.array([1.0, 5.0], np.float32), training=True)
    # 0 is always within.
    np.testing.assert_allclose([float(layer.low), float(layer.high)], [-1.8, 4.1], rtol=1e-6)
    layer.trainable = False
    layer(np.array([-9.0, 9.0], np.float32), training=True)
    np.testing.assert_allclose(float(layer.high), 4.1, rtol=1e-6)
    y = layer(np.array([-9.0, 0.0, 0.011, 9.0], np.float32))
    step = 5.9 / 255
    zero = round(1.8 / step)
    expected = np.array([-zero, 0, 0, 255 - zero]) * step
    np.testing.assert_allclose(y, expected, atol=1e-5)


def test_a_range_that_has_seen_nothing_is_the_batch_itself():
    layer = FakeQuantize()
    x = np.linspace(-1, 1, 11, dtype=np.float32)
    np.testing.assert_allclose(layer(x), x, atol=1 / 255)
    assert not layer.known


def test_gradients_pass_within_the_range():
    import tensorflow as tf

    layer = FakeQuantize(low=0.0, high=6.0)
    x = tf.constant([-1.0, 0.5, 5.0, 7.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    np.testing.assert_array_equal(tape.gradient(y, x), [0, 1, 1, 0])


def test_a_normalization_that_is_trained_is_the_folded_one_exactly():
    model = network_of("normalized")
    samples = samples_of(model)
    aware = fake_quantized(model)
    observe(aware, samples)
    function = inference_function(aware)
    np.testing.assert_allclose(function(samples), aware(samples, training=False), atol=0.02)


def test_a_fixed_input_range_is_that_of_the_file():
    model = network_of("convolution")
    samples = np.abs(samples_of(model)) / 2
    aware = fake_quantized(model, ends=Ends(0.0, 1.0))
    observe(aware, samples)
    content = fake_quantized_file(inference_function(aware), PICTURE)
    runner = Runner(content, "reference")
    assert runner.input.scale == pytest.approx(1 / 255)
    assert runner.input.zero_point == -128


def test_taps_of_a_fake_quantized_network_are_found_by_name():
    model = network_of("residual")
    name = model.layers[3].name
    inputs = model.inputs[0]
    classifier = keras.Model(inputs, layers.Dense(3)(model.output))
    network = with_taps(fake_quantized(classifier), {"map": name})
    assert set(network.output) == {"logits", "map"}
    again = fake_quantized(with_taps(classifier, {"map": name}))
    assert set(again.output) == {"logits", "map"}
    observe(again, samples_of(model))
    steps, _ = steps_apart(logits_only(again), samples_of(model))
    assert steps.max() <= 4


def test_equal_biases_are_stored_channel_by_channel():
    model = network_of("convolution")
    model.layers[-1].bias.assign(np.full(5, 0.5, np.float32))
    samples = samples_of(model)
    aware = fake_quantized(model)
    observe(aware, samples)
    steps, content = steps_apart(aware, samples)
    assert steps.max() <= 1.01
    biases = [t for t in read_model(content).main.tensors if t.constant and t.dtype == "INT32"]
    np.testing.assert_allclose(biases[0].real_values(), 0.5, rtol=1e-3)


def test_a_dead_channel_keeps_its_bias():
    model = network_of("convolution")
    kernel = model.layers[-1].kernel.numpy()
    kernel[..., 2] = 0
    model.layers[-1].kernel.assign(kernel)
    samples = samples_of(model)
    aware = fake_quantized(model)
    observe(aware, samples)
    steps, _ = steps_apart(aware, samples)
    assert steps.max() <= 1.01


def test_refusals_name_all_layers_at_once():
    inputs = keras.Input(SERIES)
    y = layers.LSTM(4, return_sequences=True, name="memory")(inputs)
    y = layers.LayerNormalization(name="norm")(y)
    y = layers.PReLU(name="curve")(y)
    model = keras.Model(inputs, layers.Flatten(name="flat")(y))
    with pytest.raises(NetworkError) as caught:
        fake_quantized(model)
    text = str(caught.value)
    assert "3 layers" in text
    for name in ("'memory' (LSTM)", "'norm' (LayerNormalization)", "'curve' (PReLU)", "flat"):
        assert name in text


def test_a_function_that_stays_in_float_is_refused():
    def floating(x):
        quantize = FakeQuantize(low=-1.0, high=1.0)
        return quantize(ops.elu(quantize(x)))

    with pytest.raises(ConversionError):
        fake_quantized_file(floating, PICTURE)
