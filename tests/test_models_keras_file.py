"""A user's own .keras file as a teacher."""

import zipfile

import keras
import numpy as np
import pytest
from keras import layers

from hintlite.errors import HintliteError, NetworkError
from hintlite.models.bind import bound
from hintlite.models.keras_file import read_keras_file
from hintlite.models.settings import NetworkConfig
from hintlite.models.teacher import build_teacher


def saved(path, *extra):
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    for layer in extra:
        x = layer(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.save(path)
    return model


def config(path, **taps):
    return NetworkConfig(family="keras_file", path=str(path), taps=taps)


def test_the_loaded_network_is_the_same_function(tmp_path):
    model = saved(tmp_path / "teacher.keras")
    images = np.random.default_rng(0).random((16, 8, 8, 1)).astype("float32")

    network = build_teacher(config(tmp_path / "teacher.keras", stage1="conv"), (8, 8, 1), 3)
    outputs = network(images)

    np.testing.assert_allclose(keras.ops.softmax(outputs["logits"]), model(images), atol=1e-6)
    assert outputs["stage1"].shape == (16, 6, 6, 4)


def test_a_saved_network_keeps_its_own_taps(tmp_path):
    network = build_teacher(NetworkConfig(widths=(2, 3), depths=(1, 1)), (8, 8, 1), 3)
    network.save(tmp_path / "teacher.keras")

    loaded = build_teacher(config(tmp_path / "teacher.keras"), (8, 8, 1), 3)

    assert list(loaded.output) == ["logits", "stage1", "stage2"]


@pytest.mark.parametrize(
    ("shape", "classes", "words"),
    [
        ((9, 8, 1), 3, r"shape \(8, 8, 1\), but the data has \(9, 8, 1\)"),
        ((8, 8, 1), 4, "tells 3 classes apart, but the data has 4"),
    ],
)
def test_a_file_that_does_not_fit_the_data_is_refused_with_both(tmp_path, shape, classes, words):
    saved(tmp_path / "teacher.keras")

    with pytest.raises(HintliteError, match=words):
        build_teacher(config(tmp_path / "teacher.keras"), shape, classes)


def changed(source, target, **members):
    """A copy of a .keras file in which some members are others; None leaves one out."""
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(target, "w") as after:
        for name in before.namelist():
            content = members.get(name.split(".")[0], before.read(name))
            if content is not None:
                after.writestr(name, content)


@keras.saving.register_keras_serializable("tests")
class Twice(layers.Layer):
    def call(self, x):
        return 2 * x


class Stranger(layers.Layer):
    def call(self, x):
        return 2 * x


class Subclassed(keras.Model):
    def __init__(self, **names):
        super().__init__(**names)
        self.dense = layers.Dense(3)

    def call(self, x):
        return self.dense(x)


def refused(path):
    with pytest.raises(NetworkError) as caught:
        build_teacher(config(path), (8, 8, 1), 3)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_file_with_code_in_it_is_not_run_and_its_layer_is_named(tmp_path):
    saved(tmp_path / "teacher.keras", layers.Lambda(lambda x: 2 * x, name="double"))

    said = refused(tmp_path / "teacher.keras")

    assert "Python code, which is never run from a file: 'double'." in said


def test_a_layer_that_keras_does_not_have_is_named_with_its_class(tmp_path):
    saved(tmp_path / "teacher.keras", layers.ReLU(), Stranger(name="gate"))

    said = refused(tmp_path / "teacher.keras")

    assert f"'gate' of the class Stranger ({Stranger.__module__})." in said
    assert "register_keras_serializable" in said


def test_a_registered_class_is_loaded(tmp_path):
    saved(tmp_path / "teacher.keras", Twice())

    assert build_teacher(config(tmp_path / "teacher.keras"), (8, 8, 1), 3)


def test_a_subclassed_model_is_named(tmp_path):
    model = Subclassed()
    model(np.zeros((1, 8), "float32"))
    model.save(tmp_path / "teacher.keras")

    assert "of the class Subclassed" in refused(tmp_path / "teacher.keras")


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"metadata": '{"keras_version": "2.15.0"}', "config": "{}"}, "saved by Keras 2.15.0"),
        ({"config": None}, "is damaged, or no .keras file"),
        ({"config": "{"}, "is damaged, or no .keras file"),
        ({"model": b"\x89HDF"}, "could not be loaded by Keras"),
    ],
)
def test_a_foreign_or_damaged_archive_is_told_from_the_others(tmp_path, members, words):
    saved(tmp_path / "whole.keras")
    changed(tmp_path / "whole.keras", tmp_path / "teacher.keras", **members)

    assert words in refused(tmp_path / "teacher.keras")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"not a model", "is not a .keras file, or was cut off (11 bytes"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file"),
    ],
)
def test_what_is_no_archive_is_told(tmp_path, content, words):
    (tmp_path / "teacher.keras").write_bytes(content)

    assert words in refused(tmp_path / "teacher.keras")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.keras"):
        build_teacher(config(tmp_path / "missing.keras"), (8, 8, 1), 3)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mine.h5", r"load_model\('.*mine.h5', compile=False\).save\('mine.keras'\)"),
        ("mine.tflite", "converted already"),
        ("mine.onnx", r"model.save\('mine.keras'\)"),
        ("saved/saved_model.pb", "holds operations and no layers"),
        ("saved/keras_metadata.pb", "SavedModel of Keras 2.*save_weights"),
        ("folder/readme", "is a folder"),
    ],
)
def test_another_format_is_refused_with_the_way_to_the_right_one(name, words, tmp_path):
    place = tmp_path / name
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"?")
    if name == "saved/keras_metadata.pb":
        (tmp_path / "saved" / "saved_model.pb").write_bytes(b"?")
    path = place.parent if place.parent != tmp_path else place
    with pytest.raises(NetworkError, match=words):
        read_keras_file(str(path))


@pytest.mark.parametrize("shape", [(None, None, 1), (8, None, 1)])
def test_sizes_that_a_model_leaves_open_are_those_of_the_data(shape, tmp_path):
    image = keras.Input(shape)
    x = layers.GlobalMaxPooling2D()(layers.Conv2D(4, 3, name="conv")(image))
    keras.Model(image, layers.Dense(3)(x)).save(tmp_path / "any.keras")
    network = build_teacher(config(tmp_path / "any.keras", stage1="conv"), (8, 6, 1), 3)
    assert network.inputs[0].shape == (None, 8, 6, 1)
    assert network.output["stage1"].shape == (None, 6, 4, 4)


def test_a_fixed_batch_becomes_an_open_one_over_the_same_weights(tmp_path):
    image = keras.Input(batch_shape=(1, 8, 8, 1))
    x = layers.Flatten()(layers.Conv2D(2, 3)(image))
    model = keras.Model(image, layers.Dense(3)(x))
    model.save(tmp_path / "one.keras")
    network = build_teacher(config(tmp_path / "one.keras"), (8, 8, 1), 3)
    images = np.random.default_rng(0).random((5, 8, 8, 1)).astype("float32")
    each = np.concatenate([model(images[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(network(images)["logits"], each, atol=1e-6)


def test_a_sequential_of_open_sizes_is_bound_too():
    model = keras.Sequential(
        [keras.Input((None, None, 1)), layers.Conv2D(2, 3), layers.GlobalAveragePooling2D()]
    )
    assert bound(model, (8, 8, 1)).output.shape == (None, 2)
    assert bound(model, (8, 8, 1)).inputs[0].shape == (None, 8, 8, 1)
    assert bound(model, (8, 8, 3)).inputs[0].shape == (None, None, None, 1)  # does not fit
