"""Parameters and MACs against numbers worked out by hand."""

import keras
import pytest
from keras import layers

from hintlite.errors import HintliteError
from hintlite.models.cost import cost, count_macs, count_parameters
from hintlite.models.taps import with_taps


def of(layer, *shape):
    inputs = keras.Input(shape)
    return keras.Model(inputs, layer(inputs))


@pytest.mark.parametrize(
    ("layer", "shape", "macs"),
    [
        (layers.Conv2D(8, 3, padding="same"), (10, 12, 4), 10 * 12 * 9 * 4 * 8),
        (layers.Conv2D(8, 3, strides=2, padding="same"), (9, 9, 4), 5 * 5 * 9 * 4 * 8),
        (layers.Conv2D(8, (3, 2)), (10, 10, 4), 8 * 9 * 6 * 4 * 8),
        (layers.Conv2D(8, 3, dilation_rate=2), (10, 10, 4), 6 * 6 * 9 * 4 * 8),
        (layers.Conv2D(8, 3, groups=2, padding="same"), (10, 10, 4), 100 * 9 * 2 * 8),
        (layers.DepthwiseConv2D(3, padding="same"), (10, 10, 4), 100 * 9 * 4),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), (10, 10, 4), 64 * 9 * 8),
        (
            layers.SeparableConv2D(8, 3, depth_multiplier=2, padding="same"),
            (10, 10, 4),
            100 * 9 * 8 + 100 * 8 * 8,
        ),
        (layers.Conv2DTranspose(8, 2, strides=2), (5, 5, 4), 25 * 4 * 4 * 8),
        (layers.Conv1D(6, 5), (20, 3), 16 * 5 * 3 * 6),
        (layers.Dense(7), (5,), 35),
        (layers.Dense(7), (4, 5), 4 * 35),
        (layers.BatchNormalization(), (4, 4, 3), 0),
        (layers.MaxPooling2D(), (4, 4, 3), 0),
        (layers.ReLU(), (4, 4, 3), 0),
    ],
)
def test_macs_of_one_layer(layer, shape, macs):
    found = cost(of(layer, *shape))

    assert found.macs == macs
    assert found.uncounted == ()


@pytest.mark.parametrize(("kind", "gates"), [("LSTM", 4), ("GRU", 3)])
def test_macs_of_a_recurrent_layer_are_those_of_its_steps(kind, gates):
    inputs = keras.Input((64, 3))
    network = keras.Model(inputs, getattr(keras.layers, kind)(16)(inputs))

    assert count_macs(network) == 64 * gates * 16 * (3 + 16)


def test_macs_of_a_channels_first_convolution():
    symbolic = keras.Input((4, 10, 12))
    layer = layers.Conv2D(8, 3, padding="same", data_format="channels_first")

    assert count_macs(keras.Model(symbolic, layer(symbolic))) == 10 * 12 * 9 * 4 * 8


@pytest.mark.parametrize(
    ("layer", "shape"), [(layers.SimpleRNN(4), (5, 3)), (layers.MultiHeadAttention(2, 3), (5, 3))]
)
def test_a_layer_of_unknown_cost_is_listed(layer, shape):
    inputs = keras.Input(shape)
    attended = isinstance(layer, layers.MultiHeadAttention)
    model = keras.Model(inputs, layer(inputs, inputs) if attended else layer(inputs))

    found = cost(model)

    assert found.macs == 0
    assert found.uncounted == (layer.name,)
    assert found.parameters == layer.count_params()


def test_a_product_of_tensors_is_listed():
    inputs = keras.Input((4, 4))

    assert cost(keras.Model(inputs, keras.ops.matmul(inputs, inputs))).uncounted == ("matmul",)


def test_parameters_and_layers_of_a_small_network():
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv")(inputs)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    model = keras.Model(inputs, layers.Dense(3, name="logits")(x))

    found = cost(model)

    assert (found.parameters, found.trainable_parameters) == (36 + 16 + 15, 36 + 8 + 15)
    assert count_parameters(model) == 67
    rows = [(la.name, la.kind, la.output_shape, la.parameters, la.macs) for la in found.layers]
    assert rows == [
        ("conv", "Conv2D", (8, 8, 4), 36, 64 * 36),
        ("bn", "BatchNormalization", (8, 8, 4), 16, 0),
        ("mean", "GlobalAveragePooling2D", (4,), 0, 0),
        ("logits", "Dense", (3,), 15, 12),
    ]


def test_a_layer_called_twice_costs_twice_and_weighs_once():
    inputs = keras.Input((8, 8, 4))
    layer = layers.Conv2D(4, 3, padding="same")
    model = keras.Model(inputs, layer(layer(inputs)))

    found = cost(model)

    assert found.macs == 2 * 64 * 9 * 16
    assert [row.parameters for row in found.layers] == [9 * 16 + 4, 0]
    assert found.parameters == 9 * 16 + 4


@pytest.mark.parametrize("size", [8, None])
def test_nested_models_are_counted_at_the_size_that_arrives(size):
    inner_input = keras.Input((size, size, 2))
    inner = keras.Model(inner_input, layers.Conv2D(4, 3, name="conv")(inner_input), name="inner")
    inputs = keras.Input((8, 8, 2))
    middle = keras.Sequential([keras.Input((size, size, 2)), inner], name="middle")
    model = keras.Model(inputs, layers.Conv2D(1, 1, name="last")(middle(inputs)))

    found = cost(model)

    assert [(row.name, row.macs) for row in found.layers] == [
        ("middle/inner/conv", 36 * 9 * 2 * 4),
        ("last", 36 * 4),
    ]


def test_the_taps_of_a_network_cost_nothing():
    inputs = keras.Input((8, 8, 2))
    x = layers.Conv2D(4, 3, name="conv")(inputs)
    x = layers.Dense(3)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, x)

    assert cost(with_taps(model, {"early": "conv"})) == cost(model)


def test_an_open_size_is_refused():
    with pytest.raises(HintliteError, match="fixed input_shape"):
        cost(of(layers.Conv2D(4, 3), None, None, 3))
