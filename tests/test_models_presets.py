"""NetworkConfig refuses what cannot be, and PRESETS holds the known networks as data."""

import subprocess
import sys

import pytest

from hintlite.errors import HintliteError
from hintlite.models.settings import MaxoutLayer, NetworkConfig, preset


def test_a_multiple_of_channels_is_not_asked_where_nothing_is_scaled():
    for settings in ({"preset": "fitnet1"}, {"family": "keras_file", "path": "x.keras"}, {}):
        config = NetworkConfig(**settings, channel_multiple=1)
        assert config.resolved().widths == NetworkConfig(**settings).resolved().widths


def test_the_defaults_resolve_to_the_thin_and_deep_shape():
    config = NetworkConfig().resolved()

    assert (config.family, config.widths, config.depths) == ("thin_deep", (8, 16, 20), (4, 5, 4))


def test_a_preset_resolves_to_its_network():
    config = NetworkConfig(preset="resnet8").resolved()

    assert config == preset("resnet8").resolved()
    assert (config.widths, config.depths) == ((16, 32, 64), (2, 2, 2))


def test_fitnet_1_is_the_list_of_the_paper():
    layers = preset("fitnet1").layers

    assert [layer.channels for layer in layers] == [16, 16, 16, 32, 32, 32, 48, 48, 64]
    assert [layer.pool for layer in layers] == [0, 0, 2, 0, 0, 2, 0, 0, 8]
    assert {(layer.kernel, layer.padding, layer.pieces) for layer in layers} == {(3, 1, 2)}


@pytest.mark.parametrize(
    ("name", "layers"), [("fitnet1", 11), ("fitnet2", 11), ("fitnet3", 13), ("fitnet4", 19)]
)
def test_the_fitnets_have_the_depth_of_table_1(name, layers):
    assert len(preset(name).layers) + 2 == layers  # fully connected maxout and softmax


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"preset": "fitnet5"}, "Did you mean 'fitnet"),
        ({"family": "thindeep"}, "Did you mean 'thin_deep'"),
        ({"preset": "fitnet1", "l2": 0.1}, "l2 came with it"),
        ({"family": "fitnet"}, "needs layers"),
        ({"family": "resnet8", "block": "separable"}, "does not use block"),
        ({"family": "resnet8", "depths": (2, 3, 2)}, "even"),
        ({"path": "a.keras"}, "does not use path"),
        ({"family": "keras_file"}, "needs path"),
        ({"family": "keras_file", "path": "a.h5"}, r"load_model\('a.h5', compile=False\).save"),
        ({"family": "keras_file", "path": "a.onnx"}, "expected a model that was saved with"),
        ({"family": "keras_file", "path": "."}, "is a folder; expected a model"),
        ({"family": "keras_file", "path": "a.keras", "taps": {"logits": "x"}}, "other than"),
        ({"widths": (8, 16)}, "2 stages but depths"),
        ({"widths": (8, 0, 8)}, "at least 1"),
        ({"residual": True, "depths": (1, 1, 1)}, "two convolutions"),
        ({"block": "dense"}, "block must be one of plain, separable"),
        ({"activation": "gelu"}, "activation must be one of relu, relu6"),
        ({"dropout": 1.0}, "below 1"),
        ({"l2": -1.0}, "not negative"),
        ({"l2": float("nan")}, "not negative"),
        ({"times_fewer": 0.5}, "at least 1"),
        ({"times_fewer": float("inf")}, "at least 1"),
        ({"times_fewer": 2.0, "channel_multiple": 0}, "channel_multiple must be at least 1"),
        ({"family": "ds_cnn", "stem_stride": 0}, "stem_stride"),
        ({"first_stride": 0}, "first_stride 0 must be at least 1"),
        ({"family": "ds_cnn", "first_stride": 2}, "does not use first_stride"),
        ({"family": "fitnet", "layers": (MaxoutLayer(4),), "fc_pieces": 5}, "does nothing"),
        ({"family": "fitnet", "layers": (MaxoutLayer(4),), "fc_units": -1}, "fc_units"),
    ],
)
def test_impossible_settings_are_refused_with_a_sentence(settings, words):
    with pytest.raises(HintliteError, match=words):
        NetworkConfig(**settings)


@pytest.mark.parametrize(
    "settings", [{"channels": 0}, {"channels": 4, "padding": -1}, {"channels": 4, "pool_stride": 2}]
)
def test_impossible_layers_are_refused(settings):
    with pytest.raises(HintliteError, match="layer"):
        MaxoutLayer(**settings)


def test_presets_are_read_without_keras():
    program = "import sys, hintlite.models.presets; sys.exit('keras' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
