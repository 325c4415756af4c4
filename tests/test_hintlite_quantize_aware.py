"""`hintlite.quantize_aware`: trained by its caller, distilled, and made a file."""

import keras
import numpy as np
import pytest
from keras import layers

import hintlite
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.errors import HintliteError

AWARE = ["hintlite.models.fake_quant", "hintlite.pipeline.app.python.quantize_aware"]


def picture_data(count=240, seed=0):
    """Pictures `[n, 8, 8, 1]` of three classes: which quarter is bright."""
    random = np.random.default_rng(seed)
    y = random.integers(0, 3, count)
    x = random.uniform(0, 0.3, (count, 8, 8, 1)).astype("float32")
    for image, label in zip(x, y, strict=True):
        image[:4, 4 * (label % 2) : 4 * (label % 2) + 4] += 0.5
        image[4:] += 0.5 * (label == 2)
    return x, y


def classifier(softmax=False, name="net"):
    inputs = h = keras.Input((8, 8, 1))
    h = layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv1")(h)
    h = layers.ReLU(name="relu1")(layers.BatchNormalization(name="norm1")(h))
    h = layers.SeparableConv2D(8, 3, strides=2, activation="relu", name="conv2")(h)
    h = layers.Flatten()(layers.AveragePooling2D(2, 1)(h))
    activation = "softmax" if softmax else None
    return keras.Model(inputs, layers.Dense(3, activation=activation, name="top")(h), name=name)


def compiled(model, rate=1e-2, from_logits=True):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    model = compiled(classifier())
    model.fit(*picture_data(), batch_size=16, epochs=4, verbose=0)
    return model


def test_trained_by_its_caller_it_becomes_a_full_int8_file(trained, tmp_path):
    train, validation = picture_data(), picture_data(seed=1)
    aware = compiled(hintlite.quantize_aware(trained, train[0][:64]), 1e-3)
    aware.fit(*train, batch_size=16, epochs=1, verbose=0)
    files = hintlite.quantize(aware, None, validation)
    assert files.agreement >= 0.99
    assert files.checks.figures.max_int8_error_steps <= 4
    assert files.checks.figures.keras_accuracy >= 0.9
    assert hintlite.inspect(files.int8).is_full_int8

    aware.save(tmp_path / "aware.keras")
    again = keras.models.load_model(tmp_path / "aware.keras")
    same = [model(validation[0][:32], training=False) for model in (aware, again)]
    np.testing.assert_array_equal(*same)


def test_the_weights_are_those_of_the_given_model(trained):
    aware = hintlite.quantize_aware(trained)
    ours = {id(variable) for variable in aware.variables}
    assert all(id(variable) in ours for variable in trained.variables)
    names = [layer.name for layer in aware.layers[2:]]
    assert names == [layer.name for layer in trained.layers[1:]]


@pytest.mark.slow(modules=AWARE)
def test_hints_and_soft_targets_distil_into_four_bits(trained):
    train, validation = picture_data(), picture_data(seed=1)
    keras.utils.set_random_seed(1)
    student = hintlite.quantize_aware(classifier(softmax=True, name="thin"), bits=4)
    hintlite.distill(
        trained,
        student,
        train,
        validation,
        method="hint+kd",
        hints={"relu1": "relu1"},
        epochs=2,
        batch_size=16,
        learning_rate=1e-2,
        verbose=False,
    )
    files = hintlite.quantize(student, None, validation, strict=False)
    assert files.agreement >= 0.98
    stored = [tensor.dtype for tensor in read_model(files.int8).main.tensors]
    assert stored.count("INT4") == 4


@pytest.mark.slow(modules=AWARE)
def test_mixed_precision_is_trained_and_converted_in_float32():
    train, validation = picture_data(), picture_data(seed=1)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        keras.utils.set_random_seed(2)
        aware = compiled(hintlite.quantize_aware(classifier()))
        aware.fit(*train, batch_size=16, epochs=2, verbose=0)
    finally:
        keras.config.set_dtype_policy(before)
    files = hintlite.quantize(aware, None, validation, strict=False)
    assert hintlite.inspect(files.int8).is_full_int8
    assert files.agreement >= 0.95


def test_layers_that_cannot_be_quantized_are_told_all_at_once():
    inputs = keras.Input((8, 8, 1))
    h = layers.Conv2D(4, 3, activation="elu", name="first")(inputs)
    h = layers.MaxPooling2D(name="pool")(layers.LayerNormalization(name="norm")(h))
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten(name="flat")(h)))
    with pytest.raises(HintliteError) as caught:
        hintlite.quantize_aware(model)
    text = str(caught.value)
    assert "'first' (Conv2D)" in text
    assert "'norm' (LayerNormalization)" in text
    assert "pool, flat pass without change" in text


def test_quantize_says_where_calibration_belongs(trained):
    validation = picture_data(seed=1)
    with pytest.raises(HintliteError, match="training samples, got None"):
        hintlite.quantize(trained, None, validation)
    aware = hintlite.quantize_aware(trained, validation[0][:64])
    with pytest.raises(HintliteError, match="expected None"):
        hintlite.quantize(aware, validation[0], validation)
    with pytest.raises(HintliteError, match="already"):
        hintlite.quantize_aware(aware)


def test_a_network_that_has_seen_nothing_is_refused(trained):
    aware = hintlite.quantize_aware(trained)
    with pytest.raises(HintliteError, match="train it for some steps"):
        hintlite.quantize(aware, None, picture_data(seed=1))
