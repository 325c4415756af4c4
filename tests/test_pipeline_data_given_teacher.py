"""Samples for a teacher of the user's own: their size, and the range that it was trained on."""

import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from PIL import Image

from hintlite.errors import DataError
from hintlite.models.keras_input import input_sizes
from hintlite.models.settings import NetworkConfig
from hintlite.pipeline.app.settings.text import config_from
from hintlite.pipeline.data.given_teacher import check_given, fitted
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.data.sources.arrays import from_arrays
from hintlite.pipeline.settings.data import DataConfig

RNG = np.random.default_rng(0)
LABELS = np.arange(40) % 2


def keras_file(path, *shapes):
    """A .keras file whose config names inputs of these shapes (of a sample), and no more."""
    inputs = [
        {"class_name": "InputLayer", "config": {"batch_shape": [None, *shape]}} for shape in shapes
    ]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": inputs}}))
    return NetworkConfig(family="keras_file", path=str(path))


def folder(root, shape=(10, 14), count=20):
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = RNG.integers(0, 256, shape, np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return str(root)


def test_the_input_of_keras_own_files_is_read(tmp_path):
    sequential = keras.Sequential([keras.Input((24, 20, 3)), keras.layers.Flatten()])
    image = keras.Input((None, None, 1))
    functional = keras.Model(image, keras.layers.Conv2D(2, 3)(image))
    late = keras.Sequential([keras.layers.Flatten()])
    late.build((None, 8, 8, 1))
    front = keras.Sequential([keras.Input((9, 9, 3)), keras.layers.ReLU()])
    nested = keras.Sequential([front, keras.layers.Flatten()])
    expected = [(24, 20, 3), (None, None, 1), (8, 8, 1), (9, 9, 3)]
    for model, sizes in zip((sequential, functional, late, nested), expected, strict=True):
        model.save(tmp_path / "model.keras")
        assert input_sizes(tmp_path / "model.keras") == sizes
    other = keras.Input((None, None, 1))
    keras.Model([image, other], keras.layers.Add()([image, other])).save(tmp_path / "two.keras")
    assert input_sizes(tmp_path / "two.keras") is None


def test_a_file_that_tells_no_input_is_left_to_whoever_loads_it(tmp_path):
    (tmp_path / "text.keras").write_text("text")
    assert input_sizes(tmp_path / "text.keras") is None
    assert input_sizes(tmp_path / "none.keras") is None


def test_pictures_of_a_folder_become_what_the_teacher_takes(tmp_path):
    teacher = keras_file(tmp_path / "t.keras", (6, 5, 3))
    data = DataConfig(source="folder", path=folder(tmp_path / "photos"))
    assert load_training(data).input_shape == (10, 14, 1)
    assert load_training(fitted(data, teacher)).input_shape == (6, 5, 3)
    own = DataConfig(source="folder", path=data.path, image_height=7, color="grayscale")
    assert load_training(fitted(own, teacher)).input_shape == (7, 5, 1)
    assert fitted(data, NetworkConfig(widths=(4,), depths=(1,))) == data
    assert fitted(DataConfig(), teacher) == DataConfig()


def test_sizes_that_the_teacher_leaves_open_follow_the_pictures(tmp_path):
    teacher = keras_file(tmp_path / "t.keras", (None, None, 3))
    data = fitted(DataConfig(source="folder", path=folder(tmp_path / "photos")), teacher)
    loaded = load_training(data)
    assert loaded.input_shape == (10, 14, 3)
    check_given(loaded, data, teacher)


def test_the_settings_of_a_run_name_the_size(tmp_path):
    keras_file(tmp_path / "t.keras", (6, 5, 3))
    config = config_from(
        {
            "data": {"source": "folder", "path": folder(tmp_path / "photos")},
            "teacher": {"family": "keras_file", "path": str(tmp_path / "t.keras")},
        }
    )
    assert (config.data.image_height, config.data.image_width, config.data.color) == (6, 5, "rgb")


@pytest.mark.parametrize("shape", [(8, 9, 3), (7, 9, 1), (72,)])
def test_samples_of_another_shape_are_refused_by_both_shapes(tmp_path, shape):
    teacher = keras_file(tmp_path / "t.keras", shape)
    pictures = RNG.integers(0, 256, (40, 8, 9), np.uint8)
    data = load_training(DataConfig(), from_arrays(pictures, LABELS))
    with pytest.raises(DataError, match=r"takes samples of shape .*\(8, 9, 1\): give data"):
        check_given(data, DataConfig(), teacher)


def floats(low, high):
    values = np.linspace(low, high, 40 * 64).reshape(40, 8, 8, 1)
    return from_arrays(values[RNG.permutation(40)], LABELS)


@pytest.mark.parametrize(
    ("low", "high", "settings", "refused"),
    [
        (0, 1, {}, False),
        (0, 255, {}, False),
        (-1, 1, {}, True),
        (-3, 4, {}, True),
        (-3, 4, {"normalization": "raw"}, False),
        (-3, 4, {"normalization": "standard"}, False),
        (-1, 1, {"value_range": (-1.0, 1.0)}, False),
    ],
)
def test_a_range_that_values_do_not_tell_is_asked_for(tmp_path, low, high, settings, refused):
    teacher = keras_file(tmp_path / "t.keras", (8, 8, 1))
    config = DataConfig(**settings)
    data = load_training(config, floats(low, high))
    if not refused:
        check_given(data, config, teacher)
        return
    with pytest.raises(DataError, match=r"which they do not tell: data\.normalization raw"):
        check_given(data, config, teacher)


def test_wrong_data_are_told_of_before_tensorflow_is_loaded(tmp_path):
    keras_file(tmp_path / "t.keras", (6, 6, 3))
    photos = folder(tmp_path / "photos", count=6)
    (tmp_path / "photos" / "cat" / "3.png").write_bytes(b"no picture")
    x = RNG.integers(0, 256, (40, 8, 8), np.uint8)
    np.savez(tmp_path / "targets.npz", x=x, y=LABELS + 0.5)
    np.savez(tmp_path / "test.npz", x=x, y=LABELS, x_test=x, y_test=LABELS + 1)
    np.savez(tmp_path / "gray.npz", x=x, y=LABELS)
    teacher = ["--teacher.family", "keras_file", "--teacher.path", str(tmp_path / "t.keras")]
    attempts = {
        "no such file": ["npz", str(tmp_path / "none.npz")],
        "1 of 12 pictures cannot be read": ["folder", photos],
        "is a quantity, not a class": ["npz", str(tmp_path / "targets.npz")],
        "(test): label 2 in row 1": ["npz", str(tmp_path / "test.npz")],
        "takes samples of shape (6, 6, 3)": ["npz", str(tmp_path / "gray.npz"), *teacher],
    }
    commands = [
        ["run", str(tmp_path / "run"), "--data.source", source, "--data.path", path, *more]
        for source, path, *more in attempts.values()
    ]
    script = (
        "import json, sys\n"
        "from hintlite.pipeline.app.cli.main import main\n"
        "for command in json.loads(sys.argv[1]):\n"
        "    assert main(command) == 2\n"
        "print([name for name in ('tensorflow', 'keras') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(commands)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    told = done.stderr.split("hintlite: ")[1:]
    for expected, said in zip(attempts, told, strict=True):
        assert expected in said
