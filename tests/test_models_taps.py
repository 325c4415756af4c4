"""Taps: by name, by layer path, in nested models; sub-networks that run nothing deeper."""

import keras
import numpy as np
import pytest
from keras import layers

from hintlite.errors import HintliteError
from hintlite.models.settings import NetworkConfig, preset
from hintlite.models.taps import (
    listed_maps,
    logits_only,
    middle_tap,
    stage_taps,
    subnetwork,
    tap_activation,
    with_taps,
)
from hintlite.models.teacher import build_teacher

RNG = np.random.default_rng(3)
BLOCK = "mobilenetv2_0.35_96/block_6_project_BN"


def images(*shape):
    return RNG.random((2, *shape)).astype("float32")


def small():
    """A network of three stages on 8x8 images."""
    return build_teacher(NetworkConfig(widths=(3, 4, 5), depths=(1, 1, 1)), (8, 8, 1), 3)


def nested(training=None):
    """A classifier around a model around a model, each with a batch normalization."""
    deepest_in = keras.Input((8, 8, 4), name="deepest_in")
    x = layers.Conv2D(5, 3, padding="same", name="conv")(deepest_in)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.BatchNormalization(name="late_bn")(x)
    deepest = keras.Model(deepest_in, x, name="deepest")
    middle = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3, padding="same", name="conv"), deepest],
        name="middle",
    )
    inputs = keras.Input((8, 8, 3))
    x = layers.Rescaling(2.0, name="rescale")(inputs)
    x = middle(x, training=training)
    x = layers.Conv2D(6, 1, name="conv")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="dense")(x))


@pytest.fixture(scope="module")
def mobilenet():
    base = keras.applications.MobileNetV2(
        weights=None, alpha=0.35, input_shape=(96, 96, 3), include_top=False
    )
    inputs = keras.Input((96, 96, 3))
    x = layers.Rescaling(2.0, offset=-1.0)(inputs)
    x = layers.GlobalAveragePooling2D()(base(x))
    x = layers.Dropout(0.2)(x)
    return keras.Model(inputs, layers.Dense(5, activation="softmax", name="predictions")(x))


def test_an_application_in_a_transfer_learning_model_is_tapped(mobilenet):
    network = with_taps(mobilenet, {"stage2": BLOCK})
    base = mobilenet.get_layer("mobilenetv2_0.35_96")
    batch = images(96, 96, 3)

    outputs = network(batch, training=False)
    direct = keras.Model(base.input, base.get_layer("block_6_project_BN").output)

    assert set(outputs) == {"logits", "stage2"}
    np.testing.assert_allclose(outputs["stage2"], direct(2 * batch - 1, training=False), atol=1e-6)
    shares = np.asarray(keras.ops.softmax(outputs["logits"]))
    np.testing.assert_allclose(shares, mobilenet(batch, training=False), atol=1e-6)


def test_the_weights_are_the_models_own(mobilenet):
    network = with_taps(mobilenet, {"stage2": BLOCK})

    assert {id(weight) for weight in network.weights} == {
        id(weight) for weight in mobilenet.weights
    }


def test_a_subnetwork_of_a_nested_model_ends_at_its_tap(mobilenet):
    network = with_taps(mobilenet, {"stage2": BLOCK, "early": "mobilenetv2_0.35_96/block_1_expand"})

    part = subnetwork(network, ["early"])
    (base,) = [layer for layer in part.layers if isinstance(layer, keras.Model)]

    assert [layer.name for layer in base.layers][-1] == "block_1_expand"
    assert part.output["early"].shape[1:] == (48, 48, 48)


def test_taps_two_models_deep_equal_the_layers_own_outputs():
    model = nested()
    network = with_taps(model, {"a": "middle/deepest/relu", "b": "middle/conv", "c": "conv"})
    batch = images(8, 8, 3)

    outputs = network(batch)
    conv = model.get_layer("middle").get_layer("conv")
    deepest = model.get_layer("middle").get_layer("deepest")
    inner = keras.Model(deepest.input, deepest.get_layer("relu").output)

    np.testing.assert_allclose(outputs["b"], conv(2 * batch), atol=1e-6)
    np.testing.assert_allclose(outputs["a"], inner(conv(2 * batch)), atol=1e-6)
    np.testing.assert_allclose(keras.ops.softmax(outputs["logits"]), model(batch), atol=1e-6)
    assert outputs["c"].shape == (2, 8, 8, 6)


@pytest.mark.parametrize("fixed", [None, False, True])
@pytest.mark.parametrize("training", [None, False, True])
def test_the_training_flag_reaches_nested_layers_as_it_does_in_the_model(fixed, training):
    model, twin = nested(training=fixed), nested(training=fixed)
    twin.set_weights(model.get_weights())
    batch, before = images(8, 8, 3), means(model)

    with_taps(model, {"a": "middle/deepest/relu"})(batch, training=training)
    twin(batch, training=training)

    np.testing.assert_allclose(means(model), means(twin), atol=1e-7)
    # Keras lets the flag of the whole model win over the one written in the graph.
    assert (means(model) != before).any() == bool(fixed if training is None else training)


def means(model):
    deepest = model.get_layer("middle").get_layer("deepest")
    return np.concatenate([deepest.get_layer(n).moving_mean.numpy() for n in ("bn", "late_bn")])


def test_running_a_subnetwork_does_not_move_deeper_statistics():
    network = small()
    norms = [network.get_layer(f"stage{i}_conv1_bn").moving_mean for i in (1, 2, 3)]
    before = [norm.numpy() for norm in norms]

    subnetwork(network, ["stage1", "stage2"])(images(8, 8, 1), training=True)

    moved = [bool((norm.numpy() != old).any()) for norm, old in zip(norms, before, strict=True)]
    assert moved == [True, True, False]
    network(images(8, 8, 1), training=True)
    assert (norms[2].numpy() != before[2]).any()


def test_running_a_subnetwork_does_not_move_deeper_statistics_of_a_nested_model():
    model = nested()
    network = with_taps(model, {"a": "middle/deepest/relu"})
    before = means(model)

    subnetwork(network, ["a"])(images(8, 8, 3), training=True)

    moved = means(model) != before
    assert moved[:5].any()
    assert not moved[5:].any()


def test_logits_only_holds_no_outputs_but_the_logits():
    network = with_taps(nested(), {"a": "middle/deepest/relu"})
    batch = images(8, 8, 3)

    student = logits_only(network)

    assert student.output_shape == (None, 3)
    np.testing.assert_array_equal(student(batch), network(batch)["logits"])
    (middle,) = [layer for layer in student.layers if isinstance(layer, keras.Model)]
    assert len(middle.outputs) == 1


def test_names_that_are_no_taps_are_layer_paths():
    config = preset("fitnet1")
    network = build_teacher(config, (32, 32, 1), 10)

    part = subnetwork(network, ["layer6", "layer6_maxout", "stage1"])

    shapes = {name: tensor.shape[1:] for name, tensor in part.output.items()}
    assert shapes == {"layer6": (8, 8, 32), "layer6_maxout": (16, 16, 32), "stage1": (32, 32, 16)}
    assert not any(layer.name.startswith("layer7") for layer in part.layers)


def test_a_network_keeps_its_taps_when_more_are_asked_for():
    network = with_taps(small(), {"first": "stage1_conv1"})

    assert stage_taps(network) == ["first", "stage1", "stage2", "stage3"]


def test_taps_are_in_the_order_of_the_network_whatever_their_names():
    network = with_taps(nested(), {"a": "conv", "z": "middle/conv", "k": "middle/deepest/relu"})

    assert stage_taps(network) == ["z", "k", "a"]


@pytest.mark.parametrize(("stages", "middle"), [(1, 1), (2, 1), (3, 2), (4, 2)])
def test_the_default_hint_is_in_the_middle(stages, middle):
    config = NetworkConfig(widths=(2,) * stages, depths=(1,) * stages)

    assert middle_tap(build_teacher(config, (8, 8, 1), 3)) == f"stage{middle}"


def test_a_network_without_feature_taps_has_no_middle():
    with pytest.raises(HintliteError, match="no feature taps"):
        middle_tap(with_taps(nested(), {}))


def test_a_network_survives_its_file(tmp_path):
    network = with_taps(nested(), {"a": "middle/deepest/relu"})
    batch = images(8, 8, 3)

    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True, compile=False)

    assert stage_taps(loaded) == ["a"]
    for name, value in network(batch).items():
        np.testing.assert_allclose(loaded(batch)[name], value, atol=1e-6)
    assert subnetwork(loaded, ["a"])(batch)["a"].shape == (2, 8, 8, 5)


def one_layer(layer):
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(3, 1, name="first")(inputs)
    x = layer(x)
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    return with_taps(model, {"tap": layer.name})


@pytest.mark.parametrize(
    ("layer", "activation"),
    [
        (layers.ReLU(), "relu"),
        (layers.ReLU(max_value=6.0), "relu6"),
        (layers.ReLU(negative_slope=0.1), "linear"),
        (layers.Activation("relu6"), "relu6"),
        (layers.Conv2D(3, 1, activation="relu"), "relu"),
        (layers.Conv2D(3, 1), "linear"),
        (layers.Activation("swish"), "linear"),
        (layers.BatchNormalization(), "linear"),
    ],
)
def test_the_activation_of_a_tap(layer, activation):
    assert tap_activation(one_layer(layer), "tap") == activation


def test_the_activation_of_maxout_taps_and_pools():
    network = build_teacher(preset("fitnet1"), (8, 8, 1), 10)

    assert tap_activation(network, "stage2") == "maxout"
    assert tap_activation(network, "layer6") == "maxout"
    assert tap_activation(small(), "stage2_pool") == "relu"
    assert tap_activation(small(), "stage2_conv1") == "linear"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("middle/deepest/rellu", "no layer 'middle/deepest/rellu'.*'middle/deepest/relu'"),
        ("late_bn", "'middle/deepest/late_bn'"),
        ("conv/relu", "no layer 'conv/relu'"),
        ("mean", r"output shape \(None, 6\)"),
    ],
)
def test_paths_that_lead_to_no_feature_map_are_refused(path, words):
    with pytest.raises(HintliteError, match=words):
        with_taps(nested(), {"tap": path})


def test_an_unknown_tap_is_refused_with_the_taps():
    with pytest.raises(HintliteError, match=r"'stage4'.*Its taps are stage1, stage2, stage3"):
        subnetwork(small(), ["stage4"])
    with pytest.raises(HintliteError, match="no taps were asked for"):
        subnetwork(small(), [])


def test_taps_of_a_series_are_maps_over_time():
    inputs = keras.Input((20, 3))
    x = layers.Conv1D(4, 3, name="conv", activation="relu")(inputs)
    pooled = layers.GlobalAveragePooling1D(name="mean")(layers.MaxPooling1D(2, name="pool")(x))
    network = with_taps(keras.Model(inputs, layers.Dense(2)(pooled)), {"a": "conv", "b": "pool"})

    assert network.output["a"].shape == (None, 18, 4)
    assert [tap_activation(network, name) for name in ("a", "b")] == ["relu", "relu"]
    with pytest.raises(
        HintliteError, match=r"\(None, 4\); a tap needs a feature map \[batch, time"
    ):
        with_taps(network, {"tap": "mean"})


def test_taps_of_a_table_are_dense_layers():
    inputs = keras.Input((13,))
    x = layers.Dense(4, name="hidden")(inputs)

    network = with_taps(keras.Model(inputs, layers.Dense(2)(x)), {"a": "hidden"})

    assert network.output["a"].shape == (None, 4)


def test_a_layer_called_twice_is_refused():
    inputs = keras.Input((4, 4, 3))
    conv = layers.Conv2D(3, 1, name="conv")
    x = layers.ReLU(name="relu")(conv(conv(inputs)))
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))

    with pytest.raises(HintliteError, match="called 2 times"):
        with_taps(model, {"tap": "conv"})
    assert stage_taps(with_taps(model, {"tap": "relu"})) == ["tap"]


def test_a_layer_that_also_serves_elsewhere_is_tapped_here():
    model = nested()
    conv = model.get_layer("conv")
    conv(keras.Input((4, 4, 5)))

    assert with_taps(model, {"tap": "conv"}).output["tap"].shape == (None, 8, 8, 6)


def test_models_that_cannot_be_read_are_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    image, other = keras.Input((4, 4, 3)), keras.Input((4, 4, 3))
    x = layers.Dense(2)(layers.GlobalAveragePooling2D()(image + other))

    with pytest.raises(HintliteError, match="not functional"):
        with_taps(Own(), {})
    with pytest.raises(HintliteError, match="not functional"):
        with_taps(keras.Sequential([layers.Dense(2)]), {})
    with pytest.raises(HintliteError, match="2 inputs"):
        with_taps(keras.Model([image, other], x), {})
    with pytest.raises(HintliteError, match="is not a network"):
        subnetwork(nested(), ["conv"])
    with pytest.raises(HintliteError, match="cannot be called 'logits'"):
        with_taps(nested(), {"logits": "conv"})


def test_of_many_layers_those_with_names_of_the_users_are_listed():
    def deep(layers, named=()):
        x = inputs = keras.Input((8, 8, 1))
        for i in range(layers):
            name = f"block{i}" if i in named else None
            x = keras.layers.Conv2D(2, 3, padding="same", name=name)(x)
        return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x)))

    assert listed_maps(deep(3, (0, 1, 2))) == ", ".join(f"block{i} [8, 8, 2]" for i in range(3))
    assert listed_maps(deep(20, (7,))) == "block7 [8, 8, 2] (20 in all)"
    many = [f"block{i} [8, 8, 2]" for i in range(40)]
    shown = [*many[:4], "...", *many[16:24], "...", *many[-4:]]
    assert listed_maps(deep(40, range(40))) == f"{', '.join(shown)} (40 in all)"
    assert listed_maps(deep(20)).count("conv2d") == 16
