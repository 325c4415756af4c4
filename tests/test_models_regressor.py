"""Regressors: the paper's kernel rule, poolings, activations, refusals."""

import numpy as np
import pytest

from hintlite.errors import HintliteError
from hintlite.models.regressor import build_regressor
from hintlite.models.resize import average_to

RNG = np.random.default_rng(7)


def features(*shape):
    return RNG.normal(size=(2, *shape)).astype("float32")


@pytest.mark.parametrize(
    ("guided", "hint", "kernel"),
    [
        ((16, 16, 32), (15, 15, 192), (2, 2)),  # FitNet 1's layer 6 and its teacher's layer 2
        ((8, 8, 4), (8, 8, 6), (1, 1)),
        ((10, 7, 4), (4, 6, 5), (7, 2)),
    ],
)
def test_the_paper_regressor_has_the_kernel_of_its_rule(guided, hint, kernel):
    regressor = build_regressor("paper", guided, hint, "linear")

    assert regressor.get_layer("regressor").kernel.shape == (*kernel, guided[2], hint[2])
    assert regressor(features(*guided)).shape == (2, *hint)


@pytest.mark.parametrize(
    ("guided", "hint", "kernel"),
    [((20, 3), (16, 5), (5, 3, 5)), ((20, 3), (20, 5), (1, 3, 5)), ((13,), (8,), (13, 8))],
)
def test_over_series_it_is_a_convolution_of_one_axis_and_over_a_table_a_dense_layer(
    guided, hint, kernel
):
    regressor = build_regressor("paper", guided, hint, "relu")

    assert regressor.output_shape == (None, *hint)
    assert regressor.get_layer("regressor").kernel.shape == kernel


def test_a_longer_hint_is_averaged_over_time():
    assert build_regressor("two_layer", (10, 3), (20, 5), "relu").output_shape == (None, 10, 5)


def test_activations_are_those_of_the_hint():
    guided = 50 * features(4, 4, 3)
    outputs = {
        name: np.asarray(build_regressor("paper", (4, 4, 3), (4, 4, 5), name)(guided))
        for name in ("linear", "relu", "relu6", "maxout")
    }

    assert outputs["linear"].min() < 0
    assert outputs["relu"].min() == 0
    assert outputs["relu"].max() > 6
    assert (outputs["relu6"].min(), outputs["relu6"].max()) == (0, 6)


def test_maxout_is_the_maximum_of_two_convolutions():
    guided = features(4, 4, 3)
    regressor = build_regressor("paper", (4, 4, 3), (4, 4, 5), "maxout")
    kernels = [regressor.get_layer(f"regressor_piece{i}").get_weights()[0][0, 0] for i in (1, 2)]

    expected = np.maximum(guided @ kernels[0], guided @ kernels[1])

    np.testing.assert_allclose(regressor(guided), expected, atol=1e-5)


def test_the_pooled_regressor_averages_the_guided_map_then_mixes_channels():
    guided = features(4, 6, 3)
    regressor = build_regressor("pooled", (4, 6, 3), (2, 3, 5), "linear")
    kernel, bias = regressor.get_layer("regressor").get_weights()

    means = guided.reshape(2, 2, 2, 3, 2, 3).mean(axis=(2, 4))

    np.testing.assert_allclose(regressor(guided), means @ kernel[0, 0] + bias, atol=1e-5)


@pytest.mark.parametrize("kind", ["pooled", "two_layer"])
@pytest.mark.parametrize(
    ("guided", "hint", "common"),
    [
        ((8, 8, 2), (7, 7, 3), (7, 7)),
        ((7, 7, 2), (14, 14, 3), (7, 7)),
        ((8, 3, 2), (4, 6, 3), (4, 3)),
    ],
)
def test_the_smaller_size_of_both_is_met(kind, guided, hint, common):
    regressor = build_regressor(kind, guided, hint, "relu")

    predicted = regressor(features(*guided))
    target = average_to(features(*hint), regressor.output_shape[1:3])

    assert predicted.shape == target.shape == (2, *common, 3)


def test_two_layers_are_convolution_norm_relu_convolution():
    regressor = build_regressor("two_layer", (4, 4, 3), (4, 4, 5), "relu")

    kinds = [type(layer).__name__ for layer in regressor.layers[1:]]

    assert kinds == ["Conv2D", "BatchNormalization", "ReLU", "Conv2D", "ReLU"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("paper", (7, 7, 2), (8, 8, 3), "relu"), r"\(8, 8, 3\) .*\(7, 7, 2\).*'pooled'"),
        (("conv", (7, 7, 2), (7, 7, 3), "relu"), "unknown regressor kind 'conv'"),
        (("paper", (7, 7, 2), (7, 7, 3), "gelu"), "unknown regressor activation 'gelu'"),
        (("paper", (None, None, 2), (7, 7, 3), "relu"), "guided features"),
        (("paper", (7, 7, 2), (10,), "relu"), r"\(7, 7, 2\), the hint \(10,\): one is a map"),
        (("paper", (2, 7, 7, 2), (10,), "relu"), r"guided features have the shape \(2, 7, 7, 2\)"),
    ],
)
def test_pairs_that_cannot_fit_are_refused(arguments, words):
    with pytest.raises(HintliteError, match=words):
        build_regressor(*arguments)
