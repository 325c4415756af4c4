"""`hintlite qat` up to the fine-tuning: what it is fed, of which size, and calibration alone."""

import importlib
import json
import sys

import keras
import numpy as np
import pytest

from hintlite.deploy.tflite.inspect import inspect
from hintlite.pipeline.app.cli.main import main

QUICK = ("--calibration_samples", "16")


@pytest.fixture(scope="module")
def stripes(tmp_path_factory):
    """120 pictures whose brighter half tells the class."""
    random = np.random.default_rng(0)
    labels = np.arange(120) % 2
    images = random.integers(0, 60, (120, 8, 8, 1), np.uint8)
    images[labels == 0, :4] += 150
    images[labels == 1, 4:] += 150
    path = tmp_path_factory.mktemp("data") / "stripes.npz"
    np.savez(path, x=images, y=labels)
    return path


def halves(*front):
    """A Sequential of no fixed size that compares both halves of a picture, behind some layers."""
    kernel = np.concatenate([np.full((4, 8), 1.0), np.full((4, 8), -1.0)]) / 32
    convolution = keras.layers.Conv2D(2, 8, use_bias=False)
    image = keras.Input((None, None, 1))
    model = keras.Sequential([image, *front, convolution, keras.layers.GlobalMaxPooling2D()])
    convolution.set_weights([np.stack([kernel, -kernel], axis=-1)[:, :, None]])
    return model


class Ahead(keras.layers.Layer):
    """Its class is not in the file."""

    def call(self, x):
        return x


def qat(model, tmp_path, data, *words):
    path = tmp_path / "mine.keras"
    model.save(path)
    out = tmp_path / "out"
    code = main(["qat", str(path), "--data", str(data), "--out", str(out), *QUICK, *words])
    return code, out / "model"


@pytest.mark.whole
def test_calibration_alone_makes_an_int8_file_of_a_sequential_of_any_size(stripes, tmp_path, capfd):
    code, place = qat(halves(), tmp_path, stripes, "--epochs", "0", "--normalization", "signed")
    said = capfd.readouterr()
    assert code == 0, said.err
    assert "INT8 by calibration 100.00 %" in said.out
    assert "nothing was trained" in said.out
    assert "100.00% balanced accuracy in float on 10 validation samples, fed signed" in said.err
    info = inspect(place / "mine_int8.tflite")
    assert info.is_full_int8
    assert info.inputs[0].shape == (1, 8, 8, 1)
    record = json.loads((place / "qat.json").read_text())
    assert record["job"] is None
    assert set(record["files"]) == {"float32", "int8"}
    assert record["normalization"] == {"mean": [127.5], "std": [127.5]}
    assert main(["report", str(place.parent)]) == 0
    facts = json.loads((place.parent / "report.json").read_text())
    assert [each["accuracy"] for each in facts["files"]] == [1.0, 1.0]
    assert facts["feeding"][0]["mean"] == [127.5]
    assert main(["compare", str(place.parent), str(place.parent)]) == 0


def bright(at):
    """A model that tells bright from dark pictures where their mean is compared with a number."""
    image = keras.Input((8, 8, 1))
    x = keras.layers.GlobalAveragePooling2D()(image)
    dense = keras.layers.Dense(2)
    model = keras.Model(image, dense(x))
    dense.set_weights([np.float32([[0.0, 1.0]]), np.float32([at, 0.0])])
    return model


@pytest.fixture(scope="module")
def brightness(tmp_path_factory):
    random = np.random.default_rng(0)
    labels = np.arange(120) % 2
    images = random.integers(0, 60, (120, 8, 8, 1)) + 150 * labels[:, None, None, None]
    path = tmp_path_factory.mktemp("data") / "brightness.npz"
    np.savez(path, x=images.astype(np.uint8), y=labels)
    return path


def test_a_model_fed_the_wrong_range_is_refused_with_the_right_one(brightness, tmp_path, capsys):
    assert qat(bright(100.0), tmp_path, brightness, "--epochs", "0")[0] == 1
    said = capsys.readouterr().err
    assert "reaches 50.00% balanced accuracy" in said
    assert "Fed raw (the values as they are) it reaches 100.00%: set --normalization raw" in said


@pytest.mark.whole
def test_a_model_at_chance_goes_on_only_where_it_is_accepted(brightness, tmp_path, capsys):
    words = ("--epochs", "0", "--min_agreement", "0", "--max-drop", "100")
    assert qat(bright(1000.0), tmp_path, brightness, *words)[0] == 1
    assert "no other range is better" in capsys.readouterr().err
    assert qat(bright(1000.0), tmp_path, brightness, *words, "--accept_chance")[0] == 0


def test_a_layer_that_cannot_be_fine_tuned_is_named_with_what_calibrates_it(
    stripes, tmp_path, capsys
):
    front = keras.layers.Activation("gelu", name="bent")
    assert qat(halves(front), tmp_path, stripes, "--normalization", "signed")[0] == 1
    said = capsys.readouterr().err
    assert "layer 'bent' (Activation('gelu')) cannot be fine-tuned" in said
    words = f"--data {stripes} --normalization signed"
    assert f"`hintlite convert {tmp_path / 'mine.keras'} {words}` calibrates it" in said


def test_a_layer_whose_code_is_not_in_the_file_is_named(stripes, tmp_path, capsys):
    assert qat(halves(Ahead(name="gate")), tmp_path, stripes, "--epochs", "0")[0] == 2
    assert "'gate' of the class Ahead" in capsys.readouterr().err


@pytest.mark.whole
def test_a_module_that_imports_names_has_the_code(stripes, tmp_path, monkeypatch, capsys):
    (tmp_path / "ahead_of_mine.py").write_text(
        "import keras\n"
        "@keras.saving.register_keras_serializable('mine')\n"
        "class Doubled(keras.layers.Layer):\n"
        "    def call(self, x):\n"
        "        return x * 2.0\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    model = halves(importlib.import_module("ahead_of_mine").Doubled(name="gate"))
    words = ("--epochs", "0", "--normalization", "signed")
    for forgotten in (True, False):
        sys.modules.pop("ahead_of_mine")
        keras.saving.get_custom_objects().pop("mine>Doubled")
        more = () if forgotten else ("--imports", "ahead_of_mine")
        code, place = qat(model, tmp_path, stripes, *words, *more)
        said = capsys.readouterr()
        if forgotten:
            assert code == 2
            assert "--imports my_module" in said.err
            importlib.import_module("ahead_of_mine")
    assert code == 0, said.err
    record = json.loads((place / "stage.json").read_text())
    assert set(record["settings"]["imported"]) == {"ahead_of_mine"}
    assert "imports" not in record["settings"]
    assert qat(model, tmp_path, stripes, *words, "--imports", "no_such_module")[0] == 2
    assert "no module 'no_such_module'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["quantize", "mine.keras", "--data", "x.npz"], "`hintlite convert mine.keras --data DATA"),
        (["run", "mine.h5"], "runs/mine --teacher.path mine.h5"),
        (["quantize", "saved"], "works on the folder of a run"),
        (["qat", "mine.h5", "--data", "digits"], ".save('mine.keras')"),
        (["qat", "saved", "--data", "digits"], "holds operations and no layers"),
        (["run", "r", "--data", "digits", "--teacher.path", "mine.h5"], ".save('mine.keras')"),
        (["run", "r", "--data", "digits", "--student.path", "saved"], "operations and no layers"),
    ],
)
def test_a_model_in_another_form_or_place_is_told_what_takes_it(
    words, said, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "saved").mkdir()
    for name in ("mine.keras", "mine.h5", "saved/saved_model.pb"):
        (tmp_path / name).write_bytes(b"?")
    assert main(words) == 2
    assert said in capsys.readouterr().err
