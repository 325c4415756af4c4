"""FitNets: sizes against the paper (arXiv 1412.6550), shapes, and the maxout itself."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from hintlite.errors import HintliteError
from hintlite.models.cost import cost
from hintlite.models.settings import MaxoutLayer, NetworkConfig, preset
from hintlite.models.teacher import build_teacher

CIFAR, MNIST = (32, 32, 3), (28, 28, 1)


def built(name, shape, **changes):
    return build_teacher(replace(preset(name), **changes), shape, 10)


@pytest.mark.parametrize(
    ("name", "without_biases", "with_biases", "million_mults"),
    [
        ("fitnet1", 249_576, 251_194, 30),
        ("fitnet2", 861_928, 864_122, 108),
        ("fitnet4", 2_544_712, 2_548_602, 382),
    ],
)
def test_fitnets_have_the_sizes_of_table_1(name, without_biases, with_biases, million_mults):
    bare, full = cost(built(name, CIFAR, use_bias=False)), cost(built(name, CIFAR))

    assert (bare.parameters, full.parameters) == (without_biases, with_biases)
    assert round(full.macs / 1e6) == million_mults


def test_fitnet_3_as_printed_is_smaller_than_its_row_of_the_table():
    printed = cost(built("fitnet3", CIFAR, use_bias=False))

    # 18 (3*32 + 32*48 + 48*64 + 64*64 + 64*80 + 3*80*80 + 80*128 + 2*128*128) + 128*1000 + 5000
    assert printed.parameters == 1_503_304
    assert round(printed.macs / 1e6) == 324


def test_fitnet_3_with_64_channels_in_its_first_group_has_the_figures_of_the_table():
    layers = preset("fitnet3").layers
    wide = tuple(replace(layer, channels=64) for layer in layers[:4]) + layers[4:]

    found = cost(built("fitnet3", CIFAR, use_bias=False, layers=wide))

    assert round(found.parameters / 1e6, 1) == 1.6
    assert round(found.macs / 1e6) == 392


def test_cifar_10_teacher_has_the_size_and_cost_of_the_paper():
    teacher = built("fitnet_cifar10_teacher", CIFAR, use_bias=False)
    found = cost(teacher)

    # 64*3*96*2 + 64*96*192*2 + 25*192*192*2 + 5*5*192*500*2 + 500*10
    assert found.parameters == 9_044_360
    assert round(found.macs / 1e6) == 725


def test_mnist_pair_has_the_sizes_of_the_paper():
    assert cost(built("fitnet_mnist_teacher", MNIST)).parameters == 361_066
    assert cost(built("fitnet_mnist_student", MNIST)).parameters == 30_130


def test_four_pieces_as_in_the_authors_file_give_other_sizes():
    teacher, student = (preset(f"fitnet_mnist_{who}").layers for who in ("teacher", "student"))
    teacher = (*teacher[:-1], replace(teacher[-1], pieces=4))
    student = (*student[:-2], *(replace(layer, pieces=4) for layer in student[-2:]))

    assert cost(built("fitnet_mnist_teacher", MNIST, layers=teacher)).parameters == 418_714
    assert cost(built("fitnet_mnist_student", MNIST, layers=student)).parameters == 36_226


def test_taps_end_the_stages_before_their_pools():
    shapes = {n: t.shape[1:] for n, t in built("fitnet1", CIFAR).output.items()}

    assert shapes == {
        "logits": (10,),
        "stage1": (32, 32, 16),
        "stage2": (16, 16, 32),
        "stage3": (8, 8, 64),
    }


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (64, 64, 3)])
def test_fitnet_1_builds_on_other_sizes(shape):
    network = built("fitnet1", shape)

    assert network(np.zeros((2, *shape), "float32"))["logits"].shape == (2, 10)


def test_a_layer_is_the_maximum_of_its_pieces():
    config = NetworkConfig(family="fitnet", layers=(MaxoutLayer(3, kernel=1, padding=0),))
    network = build_teacher(config, (2, 2, 2), 2)
    images = np.random.default_rng(0).normal(size=(4, 2, 2, 2)).astype("float32")

    first, second = (network.get_layer(f"layer1_piece{i}").get_weights() for i in (1, 2))
    expected = np.maximum(images @ first[0][0, 0] + first[1], images @ second[0][0, 0] + second[1])

    np.testing.assert_allclose(network(images)["stage1"], expected, atol=1e-6)


def test_the_classifier_is_a_dense_layer_on_the_flat_map():
    layers = (MaxoutLayer(3, kernel=3, padding=0, pieces=1),)
    network = build_teacher(NetworkConfig(family="fitnet", layers=layers), (6, 6, 1), 5)
    images = np.random.default_rng(1).normal(size=(2, 6, 6, 1)).astype("float32")
    outputs = network(images)
    kernel, bias = network.get_layer("classifier").get_weights()

    flat = np.asarray(outputs["stage1"]).reshape(2, -1) @ kernel.reshape(-1, 5) + bias

    np.testing.assert_allclose(outputs["logits"], flat, atol=1e-5)


def test_dropout_and_l2_are_in_the_network():
    network = built("fitnet1", (8, 8, 1), dropout=0.5, l2=0.01)
    kernels = [w for w in network.trainable_weights if w.name == "kernel"]

    assert any(isinstance(layer, keras.layers.Dropout) for layer in network.layers)
    squares = sum(float(np.square(kernel.numpy()).sum()) for kernel in kernels)
    np.testing.assert_allclose(float(sum(network.losses)), 0.01 * squares, rtol=1e-5)


def test_a_kernel_larger_than_its_map_is_refused_with_both_sizes():
    config = NetworkConfig(family="fitnet", layers=(MaxoutLayer(3, kernel=7, padding=0),))

    with pytest.raises(HintliteError, match=r"7x7 kernel of 'layer1' does not fit its map of 6x5"):
        build_teacher(config, (6, 5, 1), 5)
