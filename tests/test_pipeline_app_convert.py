"""`hintlite convert`: models of every format, fed their own way, to checked files in a bundle."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from converting import InThisProcess, convert, saved
from keras import layers, ops

from hintlite.deploy.bundle.manifest import read_manifest
from hintlite.deploy.tflite.inspect import inspect
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.convert import apart

CLASSES, SIDE = 3, 12


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr(apart, "Child", InThisProcess)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Bright bars in one of three places, bytes, in an .npz file."""
    rng = np.random.default_rng(9)
    y = rng.integers(0, CLASSES, 240)
    x = rng.normal(110, 25, (240, SIDE, SIDE, 3))
    for row, label in enumerate(y):
        x[row, 4 * label : 4 * label + 4] += 60
    x = x.clip(0, 255).astype(np.uint8)
    path = tmp_path_factory.mktemp("data") / "pictures.npz"
    np.savez(path, x=x, y=y)
    return path


def _classifier(pictures, front, fed=lambda x: x, end="softmax", sizes=(SIDE, SIDE, 3)):
    """A trained network of few weights; what it is fed is `fed(x)`."""
    keras.utils.set_random_seed(0)
    image = keras.Input(sizes)
    h = layers.Conv2D(6, 3, strides=2, activation="relu")(front(image))
    h = layers.Conv2D(8, 3, activation="relu")(h)
    h = layers.GlobalMaxPooling2D()(h) if None in sizes else layers.Flatten()(h)
    model = keras.Model(image, layers.Dense(CLASSES, activation=end)(h))
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    with np.load(pictures) as data:
        model.fit(fed(data["x"].astype(np.float32)), data["y"], epochs=8, verbose=0)
    return model


@pytest.fixture(scope="module")
def unit(pictures):
    """Trained on 0 to 1, without a layer that says so."""
    return _classifier(pictures, lambda x: x, lambda x: x / 255)


@pytest.fixture(scope="module")
def signed(pictures):
    """Trained on -1 to 1."""
    return _classifier(pictures, lambda x: x, lambda x: x / 127.5 - 1)


@pytest.fixture(scope="module")
def converted(pictures, unit, tmp_path_factory):
    """What `hintlite convert` makes of it."""
    place = tmp_path_factory.mktemp("converted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apart, "Child", InThisProcess)
        assert convert(saved(unit, place / "mine.keras"), pictures, place / "out")[0] == 0
    return place / "out"


def _behind(front, trained):
    """A trained network with something before it."""
    image = keras.Input(trained.input_shape[1:])
    return keras.Model(image, trained(front(image)))


FRONTS = {  # what stands before the network, and what that was trained on
    "rescaling": (layers.Rescaling(1 / 255), "unit"),
    "augmented": (
        lambda x: layers.Rescaling(1 / 255)(
            layers.RandomRotation(0.05)(layers.RandomFlip("horizontal")(x))
        ),
        "unit",
    ),
    "operators": (lambda x: x / 127.5 - 1.0, "signed"),
    "ops": (lambda x: ops.subtract(ops.divide(x, 127.5), 1.0), "signed"),
}


@pytest.mark.whole
@pytest.mark.parametrize("name", FRONTS)
def test_what_a_model_does_to_its_pixels_becomes_part_of_the_inputs_scale(
    name, request, pictures, tmp_path, here, capsys
):
    front, trained = FRONTS[name]
    network = _behind(front, request.getfixturevalue(trained))
    model = saved(network, tmp_path / "mine.keras")
    code, record = convert(model, pictures, tmp_path / "out")
    assert code == 0, capsys.readouterr().err
    assert record["verdict"]["accuracy"]["file"] >= 0.98
    content = (tmp_path / "out" / "model" / "mine_int8.tflite").read_bytes()
    info = inspect(content)
    assert info.is_full_int8
    assert not {"MUL", "ADD", "SUB", "DIV"} & set(info.operator_counts)
    # The device subtracts 128 from a byte, and nothing else.
    manifest = read_manifest(tmp_path / "out" / "bundle" / "device")
    mean, std = (np.array(manifest["normalization"][key]) for key in ("mean", "std"))
    scale, zero = info.inputs[0].scales[0], info.inputs[0].zero_points[0]
    raw = np.arange(256)[:, None]
    np.testing.assert_array_equal(
        np.round((raw - mean) / std / scale) + zero, np.broadcast_to(raw - 128, (256, 3))
    )
    assert (name == "augmented") == bool(record["left_out"])


def test_a_range_that_does_not_fit_is_refused_with_the_one_that_does(
    pictures, signed, tmp_path, here, capsys
):
    model = saved(_behind(FRONTS["operators"][0], signed), tmp_path / "mine.keras")
    assert convert(model, pictures, tmp_path / "out", "--normalization", "unit")[0] == 1
    said = capsys.readouterr().err
    assert "set --normalization raw" in said
    assert not (tmp_path / "out" / "model").exists()


def test_a_mean_and_deviation_by_channel_may_be_given(pictures, unit, tmp_path, here, capsys):
    mean, std = np.array([0.5, 2.0, 4.0]), np.array([255.0, 250.0, 245.0])
    model = saved(unit, tmp_path / "mine.keras")
    more = ("--mean", ",".join(map(str, mean)), "--std", ",".join(map(str, std)))
    code, record = convert(model, pictures, tmp_path / "out", *more)
    assert code == 0, capsys.readouterr().err
    assert record["verdict"]["accuracy"]["file"] >= 0.98
    manifest = read_manifest(tmp_path / "out" / "bundle" / "device")
    assert manifest["normalization"]["mean"] == mean.tolist()
    assert manifest["normalization"]["std"] == std.tolist()
    assert main(["bundle", str(tmp_path / "out"), "--mcu", "c", "--out", str(tmp_path / "c")]) == 0
    assert main(["convert", str(model), "--data", str(pictures), *more[:2]]) == 2
    assert "--mean and --std go together" in capsys.readouterr().err


def test_bytes_without_labels_ask_for_their_range(pictures, unit, tmp_path, here, capsys):
    with np.load(pictures) as data:
        np.save(tmp_path / "x.npy", data["x"])
    model = saved(unit, tmp_path / "mine.keras")
    assert convert(model, tmp_path / "x.npy", tmp_path / "out")[0] == 2
    assert "state --normalization unit" in capsys.readouterr().err
    code, record = convert(model, tmp_path / "x.npy", tmp_path / "out", "--normalization", "unit")
    assert code == 0
    assert record["verdict"]["accuracy"] is None
    assert record["verdict"]["agreement"] >= 0.95
    manifest = read_manifest(tmp_path / "out" / "bundle" / "device")
    assert manifest["provenance"]["labels"] == "what the float model chooses"


@pytest.mark.whole
@pytest.mark.parametrize("form", ["h5", "saved", "tflite"])
def test_other_formats_give_the_same_answers(form, request, pictures, unit, tmp_path, here, capsys):
    place = tmp_path / ("mine" if form == "saved" else f"mine.{form}")
    if form == "saved":
        unit.export(place, verbose=False)
    elif form == "h5":
        unit.save(place)
    else:
        made = request.getfixturevalue("converted")
        place.write_bytes((made / "model" / "mine_float32.tflite").read_bytes())
    code, record = convert(place, pictures, tmp_path / "out")
    assert code == 0, capsys.readouterr().err
    assert record["verdict"]["accuracy"]["model"] >= 0.98
    assert record["verdict"]["accuracy"]["file"] >= 0.98


@pytest.mark.whole
@pytest.mark.parametrize(
    ("options", "precision", "end"),
    [
        (["--io", "uint8"], "int8", "UINT8"),
        (["--io", "float32"], "int8", "FLOAT32"),
        (["--precision", "int16x8"], "int16x8", "INT16"),
        (["--precision", "float16"], "float16", "FLOAT32"),
        (["--precision", "int4"], "int8", "INT8"),
    ],
)
def test_every_form_is_made_and_judged(
    options, precision, end, pictures, unit, tmp_path, here, capsys
):
    model = saved(unit, tmp_path / "mine.keras")
    code, record = convert(model, pictures, tmp_path / "out", *options)
    assert code == 0, capsys.readouterr().err
    name = record["files"][record["form"]["precision"]]
    info = inspect(tmp_path / "out" / "model" / name)
    assert (info.precision, info.inputs[0].dtype) == (precision, end)
    assert record["verdict"]["accuracy"]["file"] >= 0.95


def test_mixed_precision_and_open_sizes(pictures, tmp_path, here, capsys):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = _classifier(pictures, FRONTS["rescaling"][0], sizes=(None, None, 3))
        path = saved(model, tmp_path / "mine.keras")
    finally:
        keras.config.set_dtype_policy("float32")
    code, record = convert(path, pictures, tmp_path / "out", "--accept_chance")
    assert code == 0, capsys.readouterr().err
    assert record["feeding"][0]["std"] == [255.0] * 3
    assert record["verdict"]["agreement"] >= 0.95


def test_a_table_with_adapted_columns_and_one_sigmoid(tmp_path, here, capsys):
    rng = np.random.default_rng(6)
    scales = 10.0 ** rng.uniform(-2, 3, 5)
    x = (rng.normal(1, 1, (300, 5)) * scales).astype(np.float32)
    y = (x[:, 0] / scales[0] + x[:, 1] / scales[1] > 2).astype(np.int64)
    np.savez(tmp_path / "table.npz", x=x, y=y)
    norm = layers.Normalization()
    norm.adapt(x)
    keras.utils.set_random_seed(0)
    row = keras.Input((5,))
    hidden = layers.Dense(8, activation="relu")(norm(row))
    model = keras.Model(row, layers.Dense(1, activation="sigmoid")(hidden))
    model.compile(keras.optimizers.Adam(1e-2), "binary_crossentropy")
    model.fit(x, y, epochs=25, verbose=0)
    code, record = convert(
        saved(model, tmp_path / "table.keras"), tmp_path / "table.npz", tmp_path / "out"
    )
    assert code == 0, capsys.readouterr().err
    assert record["task"]["kind"] == "binary"
    assert record["verdict"]["accuracy"]["file"] >= record["verdict"]["accuracy"]["model"] - 0.02
    np.testing.assert_allclose(record["feeding"][0]["std"], x.std(0), rtol=1e-4)
    out = tmp_path / "out"
    for row in range(6):
        np.save(tmp_path / f"{row}.npy", x[row])
    rows = [str(tmp_path / f"{row}.npy") for row in range(6)]
    capsys.readouterr()
    assert main(["predict", str(out), *rows, "--json"]) == 0
    told = [int(each["label"]) for each in json.loads(capsys.readouterr().out)]
    right = (model.predict(x[:6], verbose=0).reshape(-1) > 0.5).astype(int)
    assert told == right.tolist()
    script = out / "bundle" / "device" / "predict.py"
    alone = subprocess.run(
        [sys.executable, str(script), *rows], capture_output=True, text=True, check=True
    )
    assert [int(line.split("\t")[1]) for line in alone.stdout.splitlines()] == told
    assert main(["benchmark", str(out), "--target", "tflm", "--json"]) == 0
    accuracy = json.loads(capsys.readouterr().out)["accuracy"]
    assert accuracy["correct"] >= accuracy["total"] - 1


@keras.saving.register_keras_serializable("tests")
class Gate(layers.Layer):
    def call(self, x):
        return ops.erfinv(ops.tanh(x))


def test_what_cannot_be_converted_is_named_with_its_place(pictures, tmp_path, here, capsys):
    image = keras.Input((SIDE, SIDE, 3))
    h = Gate(name="gate")(layers.Conv2D(4, 3)(image))
    model = keras.Model(image, layers.Dense(CLASSES)(layers.Flatten()(h)))
    code, _ = convert(
        saved(model, tmp_path / "mine.keras"), pictures, tmp_path / "out", "--accept_chance"
    )
    said = capsys.readouterr().err
    assert code == 1
    assert "Erfinv" in said
    assert "gate" in said
    assert "Traceback" not in said
    assert not (tmp_path / "out" / "bundle").exists()


def test_the_folder_is_taken_like_a_runs(pictures, converted, tmp_path, capsys):
    out = converted
    with np.load(pictures) as data:
        np.save(tmp_path / "one.npy", data["x"][0])
    assert main(["predict", str(out), str(tmp_path / "one.npy")]) == 0
    assert main(["bundle", str(out), "--mcu", "c", "--out", str(tmp_path / "c")]) == 0
    assert "uint8_t" in "".join(each.read_text() for each in (tmp_path / "c").glob("network*.h"))
    assert main(["bundle", str(out), "--for_device"]) == 0
    assert (out / "hintlite-out.zip").is_file()
    assert main(["quantize", str(out), "--explain"]) == 0
    assert list((out / "explain").glob("*.explain.json"))
    assert main(["inspect", str(out)]) == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing.keras", "--data", "digits"], "there is no such file"),
        (["HERE", "--data", "nowhere.npz"], "there is no such file or folder"),
        (["HERE", "--data", "digits", "--io", "uint8", "--precision", "float16"], "does not go"),
        (["HERE", "--data", "digits", "--precision", "int5"], "int8"),
    ],
)
def test_wrong_use_is_told_before_anything_is_loaded(words, said, tmp_path, capsys):
    place = tmp_path / "mine.keras"
    place.write_bytes(b"")
    assert main(["convert", *(str(place) if word == "HERE" else word for word in words)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.whole
def test_keras_2_is_read_in_a_process_of_its_own(pictures, tmp_path):
    pytest.importorskip("tf_keras")
    make = (
        "import sys, numpy, tf_keras as k; L = k.layers; "
        "m = k.Sequential([L.Conv2D(4, 3, strides=4, input_shape=(12, 12, 3)), L.Flatten(), "
        "L.Dense(3)]); m.save(sys.argv[1])"
    )
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1"}
    path = tmp_path / "old.h5"
    subprocess.run([sys.executable, "-c", make, str(path)], env=environment, check=True)
    more = ("--normalization", "unit", "--accept_chance")
    code, record = convert(path, pictures, tmp_path / "out", *more)
    assert code == 0
    assert record["verdict"]["agreement"] >= 0.95
    assert Path(tmp_path / "out" / "bundle" / "device" / "manifest.json").is_file()
