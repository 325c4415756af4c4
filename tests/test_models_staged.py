"""thin_deep, resnet8 and ds_cnn: sizes, taps, blocks, and what they refuse."""

import re

import keras
import numpy as np
import pytest

from hintlite.errors import HintliteError
from hintlite.models.cost import count_parameters
from hintlite.models.settings import NetworkConfig
from hintlite.models.teacher import build_teacher


def shapes(network):
    return {name: tuple(tensor.shape[1:]) for name, tensor in network.output.items()}


@pytest.mark.parametrize(
    ("preset", "shape", "classes", "parameters"),
    [
        ("vgg_32_64_128", (28, 28, 1), 10, 289_066),
        ("thin_8_16_20", (28, 28, 1), 10, 26_826),
        ("resnet8", (32, 32, 3), 10, 78_666 - 336),  # MLPerf Tiny's, less idle biases
        ("ds_cnn", (49, 10, 1), 12, 24_908 - 576),
    ],
)
def test_presets_have_their_sizes(preset, shape, classes, parameters):
    network = build_teacher(NetworkConfig(preset=preset), shape, classes)

    assert count_parameters(network) == parameters


@pytest.mark.parametrize(
    ("settings", "shape", "expected"),
    [
        ({"widths": (4, 6, 8), "depths": (1, 2, 1)}, (8, 8, 1), [(8, 8, 4), (4, 4, 6), (2, 2, 8)]),
        ({"widths": (4, 6), "depths": (1, 1)}, (7, 9, 3), [(7, 9, 4), (3, 4, 6)]),
        ({"family": "resnet8"}, (8, 8, 1), [(8, 8, 16), (4, 4, 32), (2, 2, 64)]),
        ({"widths": (4,), "depths": (2,), "first_stride": 2}, (7, 9, 3), [(4, 5, 4)]),
        ({"family": "resnet8", "first_stride": 2}, (8, 8, 1), [(4, 4, 16), (2, 2, 32), (1, 1, 64)]),
        ({"family": "ds_cnn"}, (8, 8, 1), [(4, 4, 64), (4, 4, 64)]),
        ({"family": "ds_cnn"}, (49, 10, 1), [(25, 5, 64), (25, 5, 64)]),
    ],
)
def test_taps_end_the_stages(settings, shape, expected):
    found = shapes(build_teacher(NetworkConfig(**settings), shape, 3))

    assert found == {"logits": (3,)} | {f"stage{i}": s for i, s in enumerate(expected, 1)}


def test_a_tap_is_the_activation_before_the_pool():
    network = build_teacher(NetworkConfig(widths=(4, 6), depths=(1, 1)), (4, 4, 1), 3)

    pool = network.get_layer("stage2_pool")

    assert isinstance(pool, keras.layers.MaxPooling2D)
    assert pool.input is network.output["stage1"]


@pytest.mark.parametrize("activation", ["relu", "relu6"])
def test_taps_are_activated(activation):
    config = NetworkConfig(widths=(4,), depths=(1,), activation=activation, batch_norm=False)
    network = build_teacher(config, (4, 4, 1), 3)
    images = 100 * np.random.default_rng(0).normal(size=(8, 4, 4, 1)).astype("float32")

    tap = np.asarray(network(images)["stage1"])

    assert tap.min() == 0
    assert (tap.max() == 6) == (activation == "relu6")


def test_without_batch_norm_the_convolutions_have_biases():
    config = NetworkConfig(widths=(4,), depths=(2,), batch_norm=False)
    network = build_teacher(config, (4, 4, 1), 3)

    assert not any(isinstance(la, keras.layers.BatchNormalization) for la in network.layers)
    assert count_parameters(network) == (9 * 4 + 4) + (9 * 16 + 4) + (4 * 3 + 3)


def test_an_identity_shortcut_adds_its_input():
    config = NetworkConfig(widths=(4,), depths=(3,), residual=True, batch_norm=False)
    network = build_teacher(config, (5, 5, 1), 3)
    for name in ("stage1_pair2a", "stage1_pair2b"):
        layer = network.get_layer(name)
        layer.set_weights([0 * weight for weight in layer.get_weights()])
    before = keras.Model(network.input, network.get_layer("stage1_conv1_relu").output)
    images = np.random.default_rng(2).normal(size=(2, 5, 5, 1)).astype("float32")

    np.testing.assert_array_equal(network(images)["stage1"], before(images))


def test_a_shortcut_is_a_projection_where_the_channels_change():
    config = NetworkConfig(widths=(4, 6), depths=(2, 2), residual=True)
    network = build_teacher(config, (4, 4, 1), 3)

    shortcuts = [la.name for la in network.layers if la.name.endswith("shortcut")]

    assert shortcuts == ["stage1_pair1_shortcut", "stage2_pair1_shortcut"]


def test_separable_blocks_are_depthwise_then_pointwise_and_the_first_is_plain():
    config = NetworkConfig(widths=(4, 6), depths=(2, 1), block="separable")
    network = build_teacher(config, (4, 4, 3), 3)

    kinds = [type(la).__name__ for la in network.layers if "Conv" in type(la).__name__]
    bn = 4 * 4 + (4 * 4 + 4 * 4) + (4 * 4 + 4 * 6)

    assert kinds == ["Conv2D", "DepthwiseConv2D", "Conv2D", "DepthwiseConv2D", "Conv2D"]
    kernels = 27 * 4 + (9 * 4 + 16) + (9 * 4 + 24)
    assert count_parameters(network) == kernels + bn + (6 * 3 + 3)


def test_depthwise_kernels_keep_the_variance_of_their_nine_inputs():
    config = NetworkConfig(widths=(256,), depths=(2,), block="separable")
    network = build_teacher(config, (4, 4, 1), 3)

    kernel = network.get_layer("stage1_conv2_depthwise").get_weights()[0]

    np.testing.assert_allclose(kernel.var(), 2 / 9, rtol=0.15)


def test_dropout_and_l2_are_in_the_network():
    config = NetworkConfig(widths=(4,), depths=(2,), block="separable", dropout=0.5, l2=0.1)
    network = build_teacher(config, (4, 4, 1), 3)
    kernels = [w.numpy() for w in network.trainable_weights if w.name == "kernel"]

    assert network.get_layer("dropout").rate == 0.5
    expected = 0.1 * sum(np.square(kernel).sum() for kernel in kernels)
    np.testing.assert_allclose(float(sum(network.losses)), expected, rtol=1e-5)
    assert len(kernels) == 4


def test_more_pools_than_the_image_has_halves_are_refused_with_the_sizes():
    config = NetworkConfig(widths=(4,) * 5, depths=(1,) * 5)

    with pytest.raises(
        HintliteError, match=r"8x8 -> 4x4 -> 2x2 -> 1x1 -> 0x0; use at most 4 stages"
    ):
        build_teacher(config, (8, 8, 1), 3)

    four = NetworkConfig(widths=(4,) * 4, depths=(1,) * 4)
    assert shapes(build_teacher(four, (8, 8, 1), 3))["stage4"] == (1, 1, 4)


@pytest.mark.parametrize(
    ("shape", "classes", "words"),
    [
        ((8, 8, 8, 1), 10, "height, width"),
        ((8, 0, 1), 10, "at least 1"),
        ((8, 8, 1), 1, "2 classes"),
    ],
)
def test_impossible_data_is_refused(shape, classes, words):
    with pytest.raises(HintliteError, match=words):
        build_teacher(NetworkConfig(), shape, classes)


def test_a_tcn_reads_farther_apart_in_each_block_and_strides_between_stages():
    config = NetworkConfig(family="tcn", widths=(4, 6), depths=(3, 2), kernel=7, first_stride=2)

    network = build_teacher(config, (64, 3), 5)

    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv1D)]
    assert [layer.kernel_size for layer in layers] == [(7,)] * 5
    assert [layer.dilation_rate[0] for layer in layers] == [1, 2, 4, 1, 2]
    assert [layer.strides[0] for layer in layers] == [2, 1, 1, 2, 1]
    assert network.output["stage1"].shape == (None, 32, 4)
    assert network.output["stage2"].shape == (None, 16, 6)


@pytest.mark.parametrize(
    ("settings", "shape", "words"),
    [
        ({"family": "tcn"}, (8, 8, 3), "takes series [time, channels]"),
        ({"family": "conv_lstm"}, (13,), "takes series [time, channels]"),
        ({"block": "separable"}, (13,), "no neighbours"),
        ({"family": "ds_cnn"}, (13,), "no neighbours"),
        ({"widths": (4,) * 6, "depths": (1,) * 6}, (16, 3), "16 -> 8 -> 4 -> 2 -> 1 -> 0"),
    ],
)
def test_samples_of_another_kind_than_the_family_takes_are_refused(settings, shape, words):
    with pytest.raises(HintliteError, match=re.escape(words)):
        build_teacher(NetworkConfig(**settings), shape, 5)


def test_a_teacher_with_times_fewer_is_refused():
    with pytest.raises(HintliteError, match="student's setting"):
        build_teacher(NetworkConfig(times_fewer=4.0), (8, 8, 1), 3)
