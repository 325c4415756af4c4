"""A user's own .keras file as a teacher."""

import keras
import numpy as np
import pytest
from keras import layers

from hintlite.errors import HintliteError
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


def test_a_file_with_code_in_it_is_not_run(tmp_path):
    saved(tmp_path / "teacher.keras", layers.Lambda(lambda x: 2 * x))

    with pytest.raises(HintliteError, match="Lambda layers are not run"):
        build_teacher(config(tmp_path / "teacher.keras"), (8, 8, 1), 3)


def test_a_missing_or_broken_file_is_named(tmp_path):
    (tmp_path / "broken.keras").write_bytes(b"not a model")

    with pytest.raises(FileNotFoundError, match=r"missing\.keras"):
        build_teacher(config(tmp_path / "missing.keras"), (8, 8, 1), 3)
    with pytest.raises(HintliteError, match=r"broken\.keras could not be loaded"):
        build_teacher(config(tmp_path / "broken.keras"), (8, 8, 1), 3)
