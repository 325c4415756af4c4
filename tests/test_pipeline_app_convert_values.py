"""Conversions of several inputs and outputs, and of numbers: their folders are taken as any."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from converting import InThisProcess, convert, saved
from keras import layers

from hintlite.deploy.bundle.bundle import check_bundle
from hintlite.deploy.bundle.manifest import read_manifest
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.convert import apart

RNG = np.random.default_rng(0)
SHORT = ("--benchmark.window_s", "0.01", "--benchmark.warmup_s", "0.01")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("values")


def _converted(place, name, model, arrays, *more):
    np.savez(place / f"{name}.npz", **arrays)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apart, "Child", InThisProcess)
        path = saved(model, place / f"{name}.keras")
        code, record = convert(path, place / f"{name}.npz", place / name, *more)
    assert code == 0
    return place / name, record


@pytest.fixture(scope="module")
def both(place):
    """A model of a picture and a row, with two heads of numbers."""
    keras.utils.set_random_seed(0)
    picture, row = keras.Input((8, 8, 1), name="picture"), keras.Input((4,), name="row")
    h = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(picture))
    merged = layers.Concatenate()([h, layers.Dense(4, activation="relu")(row)])
    heads = {"where": layers.Dense(2)(merged), "what": layers.Dense(5)(merged)}
    model = keras.Model({"picture": picture, "row": row}, heads)
    arrays = {
        "picture": RNG.normal(0, 1, (80, 8, 8, 1)).astype(np.float32),
        "row": RNG.normal(0, 3, (80, 4)).astype(np.float32),
    }
    return *_converted(place, "both", model, arrays), model, arrays


@pytest.fixture(scope="module")
def line(place):
    """A regression: two sums of six columns."""
    keras.utils.set_random_seed(0)
    row = keras.Input((6,))
    model = keras.Model(row, layers.Dense(2)(row))
    weights = RNG.normal(0, 1, (6, 2)).astype(np.float32)
    model.set_weights([weights, np.zeros(2, np.float32)])
    x = RNG.normal(0, 1, (80, 6)).astype(np.float32)
    return *_converted(place, "line", model, {"x": x, "y": x @ weights}), weights, x


def test_several_inputs_and_outputs_keep_their_names(both):
    out, record, _, _ = both
    shapes = {each["name"]: each["shape"] for each in record["outputs"]}
    assert shapes == {"where": [2], "what": [5]}
    assert record["task"]["kind"] == "values"
    assert all(each["error"] < 0.1 for each in record["verdict"]["outputs"])
    assert check_bundle(out / "bundle" / "device") == []
    task = read_manifest(out / "bundle" / "device")["task"]
    assert {each["name"]: each["shape"] for each in task["inputs"]} == {
        "picture": [8, 8, 1],
        "row": [4],
    }
    assert task["labels"] == []


def test_a_float_file_of_several_ends_is_converted_too(both, place, monkeypatch):
    monkeypatch.setattr(apart, "Child", InThisProcess)
    out, first, _, _ = both
    file = out / "model" / "both_float32.tflite"
    code, record = convert(file, place / "both.npz", place / "of_file")
    assert code == 0
    assert {each["name"] for each in record["outputs"]} == {"where", "what"}
    assert {each["input"] for each in record["feeding"]} == {"picture", "row"}
    errors = {each["name"]: each["error"] for each in record["verdict"]["outputs"]}
    for each in first["verdict"]["outputs"]:
        assert errors[each["name"]] < 2 * each["error"] + 0.02


def test_an_input_of_whole_numbers_is_fed_as_it_is(place, tmp_path, capsys):
    keras.utils.set_random_seed(0)
    row, word = keras.Input((4,), name="row"), keras.Input((3,), dtype="int32", name="word")
    known = layers.Flatten()(layers.Embedding(300, 4)(word))
    model = keras.Model([row, word], layers.Dense(3)(layers.Concatenate()([row, known])))
    arrays = {
        "row": RNG.uniform(-1, 1, (60, 4)).astype(np.float32),
        "word": RNG.integers(0, 300, (60, 3)),
    }
    out, record = _converted(place, "words", model, arrays, "--answer", "values")
    assert {each["input"]: each["std"] for each in record["feeding"]}["word"] == [1.0] * 3
    entry = read_manifest(out / "bundle" / "device")["models"]["words_int8.tflite"]
    assert entry["precision"] == "int8"
    np.savez(tmp_path / "one.npz", **{name: array[0] for name, array in arrays.items()})
    capsys.readouterr()
    assert main(["predict", str(out), str(tmp_path / "one.npz"), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)[0]["outputs"].values()
    wanted = model.predict([array[:1] for array in arrays.values()], verbose=0)[0]
    np.testing.assert_allclose(found, wanted, atol=0.05)


def test_predict_tells_the_values_of_every_output(both, tmp_path, capsys):
    out, record, model, arrays = both
    samples = []
    for n in range(3):
        samples.append(tmp_path / f"s{n}.npz")
        np.savez(samples[-1], **{name: array[n] for name, array in arrays.items()})
    capsys.readouterr()
    assert main(["predict", str(out), *map(str, samples), "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    wanted = model.predict({name: array[:3] for name, array in arrays.items()}, verbose=0)
    most = {each["name"]: 2 * each["max_error"] for each in record["verdict"]["outputs"]}
    for name, values in wanted.items():
        found = np.array([answer["outputs"][name] for answer in answers])
        assert np.abs(found - values).max() <= most[name]
    script = out / "bundle" / "device" / "predict.py"
    command = [sys.executable, str(script), str(samples[0])]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = {row.split("\t")[1]: row.split("\t")[2:] for row in told.splitlines()}
    for name, values in lines.items():
        one = answers[0]["outputs"][name]
        np.testing.assert_allclose(np.array(values, np.float64), one, rtol=1e-4, atol=0.05)
    assert main(["predict", str(out), *map(str, samples), "--save", str(tmp_path / "kept")]) == 0
    kept = np.load(tmp_path / "kept" / "s1.where.npy")
    np.testing.assert_allclose(kept, answers[1]["outputs"]["where"], rtol=1e-5)


def test_a_sample_that_lacks_an_input_is_told(both, tmp_path, capsys):
    np.savez(tmp_path / "half.npz", row=np.zeros(4))
    np.save(tmp_path / "one.npy", np.zeros(4))
    both_files = [str(tmp_path / name) for name in ("half.npz", "one.npy")]
    assert main(["predict", str(both[0]), *both_files]) == 2
    said = capsys.readouterr().err
    assert "it lacks picture" in said
    assert "takes 2 inputs" in said


def test_a_regression_is_judged_and_bundled(line, tmp_path, capsys):
    out, record, weights, x = line
    error = record["verdict"]["mean_absolute_error"]
    assert error["model"] < 1e-5
    assert error["file"] < 0.05 * np.abs(x @ weights).mean()
    np.save(tmp_path / "one.npy", x[0])
    capsys.readouterr()
    assert main(["predict", str(out), str(tmp_path / "one.npy")]) == 0
    assert "logits" in capsys.readouterr().out
    assert main(["bundle", str(out), "--mcu", "c", "--out", str(tmp_path / "c")]) == 0
    assert not list((tmp_path / "c").glob("*labels*"))
    subprocess.run(["make", "-s", "-C", str(tmp_path / "c")], check=True, capture_output=True)
    assert main(["bundle", str(out), "--mcu", "tflm", "--out", str(tmp_path / "tflm")]) == 0
    assert main(["bundle", str(out), "--for_device"]) == 0


@pytest.mark.parametrize("name", ["both", "line"])
def test_the_bundle_is_measured_and_simulated(name, request, tmp_path, capsys):
    out = request.getfixturevalue(name)[0]
    capsys.readouterr()
    command = ["benchmark", str(out), "--json", "--target"]
    assert main([*command, "host", *SHORT]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["accuracy"] is None
    check = next(
        each for each in measured["raw"]["exactness"]["checks"] if each["kernels"] == "reference"
    )
    assert check["equal"] == check["samples"] == 16
    assert main([*command, "tflm"]) == 0
    simulated = json.loads(capsys.readouterr().out)
    assert simulated["accuracy"] is None
    assert simulated["verdict"]["state"] == "valid"


def test_a_page_and_a_comparison_are_made_of_such_folders(both, line, tmp_path, capsys):
    assert main(["report", str(line[0]), str(both[0]), "--out", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    facts = json.loads((tmp_path / "report.json").read_text())["folders"]
    assert [each["folder"] for each in facts] == ["line", "both"]
    assert {each["input"] for each in facts[1]["feeding"]} == {"picture", "row"}
    assert "mean absolute error" in page
    assert "where" in page
    assert main(["report", str(line[0]), str(tmp_path)]) == 2
    assert "no folder of `hintlite convert` or `qat`" in capsys.readouterr().err
    assert main(["compare", str(line[0]), str(line[0]), "--json"]) == 0
    figures = {each["name"] for each in json.loads(capsys.readouterr().out)["figures"]}
    assert {"model_bytes", "mean absolute error", "error of logits"} <= figures
    assert main(["compare", str(line[0]), str(both[0])]) == 2
    assert "different tasks" in capsys.readouterr().err


def test_what_the_model_answers_may_be_stated(place, capsys):
    row = keras.Input((3,))
    model = keras.Model(row, layers.Dense(2)(row))
    arrays = {"x": RNG.normal(0, 1, (40, 3)).astype(np.float32)}
    _, record = _converted(place, "guess", model, arrays)
    assert record["task"]["kind"] == "classes"
    _, record = _converted(place, "stated", model, arrays, "--answer", "values")
    assert record["task"]["kind"] == "values"
    capsys.readouterr()
    assert main(["convert", str(place / "guess.keras"), "--data", "digits", "--answer", "no"]) == 2
    assert "classes, values" in capsys.readouterr().err
