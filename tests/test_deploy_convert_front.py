"""What a network does to its input first is read from its operators and taken off."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from hintlite.deploy.convert.form import Form
from hintlite.deploy.convert.forms import to_file
from hintlite.deploy.convert.front import split_fronts
from hintlite.deploy.convert.frozen import End, frozen
from hintlite.deploy.tflite.inspect import inspect
from hintlite.errors import SettingsError

SHAPE = (6, 6, 3)
RAW = np.random.default_rng(0).integers(0, 256, (12, *SHAPE)).astype(np.float32)


def _adapted():
    layer = layers.Normalization()
    layer.adapt(RAW)
    return layer


MEAN, DEVIATION = RAW.mean((0, 1, 2)), RAW.std((0, 1, 2))
FRONTS = {
    "rescaling": (layers.Rescaling(1 / 255), [0.0], [255.0]),
    "signed": (layers.Rescaling(1 / 127.5, offset=-1), [127.5], [127.5]),
    "operators": (lambda x: x / 127.5 - 1.0, [127.5], [127.5]),
    "backwards": (lambda x: -1.0 + ops.multiply(1 / 64, x), [64.0], [64.0]),
    "adapted": (_adapted(), MEAN, DEVIATION),
    "augmented": (
        lambda x: layers.Rescaling(1 / 255)(layers.RandomRotation(0.1)(layers.RandomFlip()(x))),
        [0.0],
        [255.0],
    ),
}


def _whole(front, shape=SHAPE):
    image = keras.Input(shape)
    x = layers.Conv2D(4, 3, activation="relu")(front(image))
    network = keras.Model(image, layers.Dense(2)(layers.Flatten()(x)))
    return frozen(lambda x: network(x, training=False), [End("image", shape)])


@pytest.mark.parametrize("name", FRONTS)
def test_an_affine_front_is_taken_off_and_told(name):
    front, mean, deviation = FRONTS[name]
    whole = _whole(front)
    rest, (found,) = split_fronts(whole)
    np.testing.assert_allclose(found.mean, np.broadcast_to(mean, 3), atol=1e-3)
    np.testing.assert_allclose(found.std, np.broadcast_to(deviation, 3), rtol=1e-5)
    fed = ((RAW - np.float32(found.mean)) / np.float32(found.std)).astype(np.float32)
    np.testing.assert_allclose(rest.answers([fed])[0], whole.answers([RAW])[0], atol=1e-3)
    assert "MUL" not in inspect(to_file(rest, Form(), [fed])).operator_counts


@pytest.mark.parametrize(
    "front",
    [lambda x: x, ops.square, lambda x: 255.0 - x, lambda x: ops.concatenate([x / 255, x], -1)],
    ids=["none", "no line", "falling", "read twice"],
)
def test_what_is_no_rising_line_of_one_reader_stays_in_the_network(front):
    whole = _whole(front)
    rest, fronts = split_fronts(whole)
    assert fronts == (None,)
    assert rest is whole


def test_the_ends_and_the_dense_layers_are_as_asked_for():
    rest, _ = split_fronts(_whole(layers.Rescaling(1 / 255)))
    unit = RAW / 255
    for io in ("int8", "uint8", "float32"):
        info = inspect(to_file(rest, Form(io=io), [unit]))
        assert (info.precision, info.inputs[0].dtype.lower()) == ("int8", io)
    sixteen = inspect(to_file(rest, Form("int16x8"), [unit]))
    assert (sixteen.precision, sixteen.outputs[0].dtype) == ("int16x8", "INT16")
    for dense, scales in (("per_channel", 2), ("per_tensor", 1)):
        info = inspect(to_file(rest, Form(dense=dense), [unit]))
        (operator,) = [each for each in info.operators if each.name == "FULLY_CONNECTED"]
        assert len(info.tensors[operator.inputs[1]].scales) == scales


def test_ends_that_a_precision_does_not_have_are_refused():
    with pytest.raises(SettingsError, match="io uint8 does not go with precision float16"):
        Form("float16", io="uint8")
    with pytest.raises(SettingsError, match="dense per_tensor goes with precision int8"):
        Form("dynamic", dense="per_tensor")
