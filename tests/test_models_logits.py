"""The logits of a classifier: the same function without its softmax."""

import keras
import numpy as np
import pytest
from keras import layers

from hintlite.errors import HintliteError
from hintlite.models.taps import logits_only, with_taps

RNG = np.random.default_rng(5)


def classifier(*head):
    inputs = keras.Input((4, 4, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(6, 3, name="conv")(inputs))
    for layer in head:
        x = layer(x)
    return keras.Model(inputs, x)


def with_nested_softmax():
    inner = classifier(layers.Dense(4, activation="softmax"))
    inputs = keras.Input((4, 4, 3))
    return keras.Model(inputs, inner(layers.Rescaling(0.5)(inputs)))


SOFTMAX_MODELS = {
    "fused": lambda: classifier(layers.Dense(4, activation="softmax")),
    "fused_without_bias": lambda: classifier(layers.Dense(4, activation="softmax", use_bias=False)),
    "softmax_layer": lambda: classifier(layers.Dense(4), layers.Softmax()),
    "activation_layer": lambda: classifier(layers.Dense(4), layers.Activation("softmax")),
    "operation": lambda: classifier(layers.Dense(4), keras.ops.softmax),
    "reshaped": lambda: classifier(
        layers.Dense(4), layers.Reshape((4,)), layers.Activation("softmax", dtype="float32")
    ),
    "sequential": lambda: keras.Sequential(
        [keras.Input((4, 4, 3)), layers.Flatten(), layers.Dense(4, activation="softmax")]
    ),
    "nested": with_nested_softmax,
}


@pytest.mark.parametrize("name", SOFTMAX_MODELS)
def test_logits_are_the_same_function_before_the_softmax(name):
    model = SOFTMAX_MODELS[name]()
    images = RNG.normal(size=(64, 4, 4, 3)).astype("float32") * 5
    expected = np.asarray(model(images))

    logits = np.asarray(logits_only(with_taps(model, {}))(images))
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))

    np.testing.assert_array_equal(logits.argmax(1), expected.argmax(1))
    shares = exponentials / exponentials.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, expected, atol=1e-6)
    assert np.abs(logits.sum(axis=1) - 1).max() > 0.01  # they are not shares themselves


@pytest.mark.parametrize("name", ["fused", "nested"])
def test_the_stripped_dense_has_the_models_variables_and_leaves_it_whole(name):
    model = SOFTMAX_MODELS[name]()
    images = np.ones((1, 4, 4, 3), "float32")
    before = np.asarray(model(images))
    network = with_taps(model, {})

    assert [id(w) for w in network.weights] == [id(w) for w in model.weights]
    np.testing.assert_array_equal(model(images), before)
    model.weights[-1].assign([9.0, 0.0, 0.0, 0.0])
    assert int(np.argmax(network(images)["logits"])) == 0
    assert float(np.asarray(model(images)).sum()) == pytest.approx(1.0, abs=1e-5)


def test_the_stripped_model_trains_the_models_dense():
    model = classifier(layers.Dense(4, activation="softmax"))
    before = model.layers[-1].get_weights()[0]
    student = logits_only(with_taps(model, {}))
    student.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    student.fit(np.ones((4, 4, 4, 3), "float32"), np.zeros(4, "int32"), verbose=0)

    assert np.abs(model.layers[-1].get_weights()[0] - before).max() > 0


@pytest.mark.parametrize("activation", [None, "linear"])
def test_a_model_without_softmax_is_left_as_it_is(activation):
    model = classifier(layers.Dense(4, activation=activation))

    network = with_taps(model, {})

    assert network.output["logits"] is model.outputs[0]


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ([layers.Dense(1, activation="sigmoid")], "'sigmoid'; expected a softmax"),
        ([layers.Dense(4, activation="sigmoid")], "one unit for each class"),
        ([layers.Dense(4), layers.Activation("relu")], "'relu'; expected a softmax"),
        ([layers.Dense(4), layers.ReLU()], "'relu'; expected a softmax"),
        ([layers.Dense(1)], "single output unit"),
        ([layers.Dense(1, activation="softmax")], "single output unit"),
        ([layers.Dense(4, activation="softmax"), layers.Reshape((4,))], "has its softmax"),
        ([layers.Dense(4), layers.Softmax(), layers.Activation("linear")], "has its softmax"),
        ([layers.Reshape((1, 6)), layers.Dense(4)], r"\(None, 1, 4\); expected the scores"),
    ],
)
def test_outputs_that_are_no_class_scores_are_refused(head, words):
    with pytest.raises(HintliteError, match=words):
        with_taps(classifier(*head), {})


def test_a_fused_softmax_that_is_not_a_dense_is_refused():
    inputs = keras.Input((4, 4, 3))
    x = layers.EinsumDense("bhwc,cd->bd", (4,), activation="softmax")(inputs)

    with pytest.raises(
        HintliteError, match="EinsumDense with a softmax that cannot be taken apart"
    ):
        with_taps(keras.Model(inputs, x), {})


def test_several_outputs_are_refused_unless_one_is_called_logits():
    model = classifier(layers.Dense(4))
    feature = model.get_layer("conv").output

    with pytest.raises(HintliteError, match="none of them called 'logits'"):
        with_taps(keras.Model(model.input, [model.output, feature]), {})
    with pytest.raises(HintliteError, match="none of them called 'logits'"):
        with_taps(keras.Model(model.input, {"a": model.output, "b": feature}), {})
    named = keras.Model(model.input, {"logits": model.output, "b": feature})
    assert set(with_taps(named, {}).output) == {"logits", "b"}
