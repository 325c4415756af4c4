"""Motion sensors: trained models of series to INT8, and their bundles on every target."""

import json

import keras
import numpy as np
import pytest
from converting import InThisProcess, convert, saved
from keras import layers

from hintlite.deploy.bundle.manifest import read_manifest
from hintlite.deploy.tflite.inspect import inspect
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.convert import apart

STEPS, KINDS = 24, ("swing", "tap", "still")
CORES = ("cortex-m0", "cortex-m3", "cortex-m4", "cortex-m33", "cortex-m55")


@pytest.fixture(scope="module")
def gestures(tmp_path_factory):
    """Three axes, of which the last has gravity; in an .npz file with the classes' names."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 300)
    x = rng.normal(0, 0.15, (300, STEPS, 3))
    time = np.arange(STEPS) / STEPS * 2 * np.pi
    for row, kind in enumerate(y):
        if kind == 0:
            x[row, :, 0] += 1.5 * np.sin(rng.uniform(2, 4) * time + rng.uniform(0, 6))
        if kind == 1:
            x[row, rng.integers(4, 18) + np.arange(3), 2] += 3
    x[..., 2] += 1
    place = tmp_path_factory.mktemp("gestures")
    np.savez(place / "imu.npz", x=x.astype(np.float32), y=y, class_names=np.array(KINDS))
    return place


def _trained(gestures, name, body, fed=lambda x: x, *more):
    """A conversion of a small model that was trained on the gestures."""
    keras.utils.set_random_seed(1)
    series = keras.Input((STEPS, 3))
    model = keras.Model(series, layers.Dense(3, activation="softmax")(body(series)))
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    with np.load(gestures / "imu.npz") as data:
        model.fit(fed(data["x"]), data["y"], epochs=12, verbose=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apart, "Child", InThisProcess)
        path = saved(model, gestures / f"{name}.keras")
        code, record = convert(path, gestures / "imu.npz", gestures / name, *more)
    assert code == 0
    return gestures / name, record


@pytest.fixture(scope="module")
def convolved(gestures):
    """Conv1D, trained on each axis' own mean and deviation."""

    def body(h):
        h = layers.MaxPooling1D(2)(layers.Conv1D(8, 5, padding="same", activation="relu")(h))
        return layers.GlobalAveragePooling1D()(layers.Conv1D(8, 3, activation="relu")(h))

    def fed(x):
        return (x - x.mean((0, 1))) / x.std((0, 1))

    return _trained(gestures, "conv", body, fed, "--normalization", "standard")


def test_a_series_is_fed_by_its_own_axes(convolved, gestures, capsys):
    out, record = convolved
    assert record["verdict"]["accuracy"]["file"] >= 0.98
    with np.load(gestures / "imu.npz") as data:
        np.testing.assert_allclose(record["feeding"][0]["mean"], data["x"].mean((0, 1)), atol=0.05)
        np.save(gestures / "one.npy", data["x"][0])
        told = KINDS[data["y"][0]]
    manifest = read_manifest(out / "bundle" / "device")
    assert manifest["task"] == {"labels": list(KINDS), "input_shape": [STEPS, 3]}
    capsys.readouterr()
    assert main(["predict", str(out), str(gestures / "one.npy"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["label"] == told
    assert main(["bundle", str(out), "--mcu", "c", "--out", str(gestures / "c")]) == 0
    assert (gestures / "c" / "network_input.h").is_file()


@pytest.mark.parametrize("target", ["tflm", "ethos-u55-128"])
def test_simulators_and_estimators_take_the_folder_and_the_file(target, convolved, capsys):
    out, record = convolved
    capsys.readouterr()
    for place in (out, out / "model" / record["files"]["int8"]):
        assert main(["benchmark", str(place), "--target", target, "--json"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert result["target"] == target
        assert result["verdict"]["state"] == "valid"
        if result["accuracy"] is not None:
            assert result["accuracy"]["correct"] >= result["accuracy"]["total"] - 1


@pytest.mark.emulated(modules=["hintlite.benchmarks.targets.cortex_m"])
@pytest.mark.parametrize("core", CORES)
def test_every_core_takes_the_folder_and_the_file(core, convolved, capsys):
    out, record = convolved
    capsys.readouterr()
    for place in (out, out / "model" / record["files"]["int8"]):
        assert main(["benchmark", str(place), "--target", core, "--json"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert result["raw"]["instructions_per_inference"] > 0
        assert result["verdict"]["state"] == "valid"


@pytest.mark.whole
def test_an_lstm_is_one_operator_and_right_in_tflm(gestures, capsys):
    out, record = _trained(gestures, "lstm", layers.LSTM(8))
    assert record["verdict"]["accuracy"]["file"] >= record["verdict"]["accuracy"]["model"] - 0.03
    info = inspect(out / "model" / record["files"]["int8"])
    assert info.is_full_int8
    assert info.operator_counts["UNIDIRECTIONAL_SEQUENCE_LSTM"] == 1
    capsys.readouterr()
    assert main(["benchmark", str(out), "--target", "tflm", "--json"]) == 0
    agreement = json.loads(capsys.readouterr().out)["raw"]["agreement"]
    assert agreement["largest_difference_steps"] <= 4
