"""`hintlite bundle --phone` and `benchmark --target android` on a finished run."""

import json
import os
import shutil

import numpy as np
import pytest
from stand_in_adb import StandIn

from hintlite.benchmarks.targets.base import BenchmarkResult
from hintlite.pipeline.app.cli.main import main


@pytest.fixture(scope="module")
def run(finished_run, tmp_path_factory):
    """A copy of the finished run, with files for phones made by the real command."""
    folder = tmp_path_factory.mktemp("phones") / "run"
    shutil.copytree(finished_run[1], folder)
    int8 = {path: path.read_bytes() for path in folder.rglob("*_int8.tflite")}
    assert main(["bundle", str(folder), "--phone"]) == 0
    assert {path: path.read_bytes() for path in int8} == int8  # INT8 results stay as they are
    yield folder
    from tensorflow.python.framework import config

    config.disable_op_determinism()


@pytest.fixture
def phone(tmp_path, monkeypatch):
    """A phone in PATH, with benchmark_model on it."""
    stand_in = StandIn(tmp_path / "adb")
    stand_in.install()
    monkeypatch.setenv("PATH", f"{stand_in.folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    return stand_in


@pytest.mark.whole
def test_the_folder_for_a_phone_is_whole_and_verified_on_validation_data(run):
    described = json.loads((run / "phone" / "phone.json").read_text())
    assert sorted(described["models"]) == [
        "student_dynamic_range.tflite",
        "student_float16.tflite",
        "student_int8.tflite",
    ]
    bundled = run / "bundle" / "device" / "student_int8.tflite"
    assert (run / "phone" / "student_int8.tflite").read_bytes() == bundled.read_bytes()
    with np.load(run / "data" / "splits.npz", allow_pickle=False) as splits:
        validation = len(splits["validation"])
    verify = json.loads((run / "quantize" / "hint+kd" / "verify.json").read_text())
    for name, entry in described["models"].items():
        fit = entry["validation"]
        assert fit["samples"] == validation
        assert fit["float32_accuracy"] == verify["figures"]["float_accuracy"]
        if name == "student_int8.tflite":
            assert fit["accuracy"] == verify["figures"]["int8_accuracy"]
    assert described["models"]["student_float16.tflite"]["validation"]["agreement"] >= 0.95


def test_made_once_it_is_not_made_again(run, capfd):
    before = (run / "phone" / "stage.json").stat().st_mtime_ns
    assert main(["bundle", str(run), "--phone"]) == 0
    said = capfd.readouterr()
    assert "phone: up to date" in said.err
    assert "student_float16.tflite" in said.out
    assert (run / "phone" / "stage.json").stat().st_mtime_ns == before


@pytest.mark.whole
def test_a_phone_measures_every_file_and_the_results_stay_with_the_run(run, phone, capfd):
    words = ["benchmark", str(run), "--target", "android", "--serial", "41021JEKB00000"]
    assert main(words) == 0
    out = capfd.readouterr().out
    assert "measured on Google Pixel 8a, Android 15, arm64-v8a" in out
    assert "student_float16.tflite: p50 2,781.0 us" in out
    for name in ("student_int8", "student_float16", "student_dynamic_range"):
        stored = json.loads((run / "targets" / "android" / f"{name}.json").read_text())
        result = BenchmarkResult.from_dict(stored)
        assert result.kind == "measured"
        assert result.raw["model"]["file"] == f"{name}.tflite"
    assert phone.left() == ["benchmark_model"]
    before = (run / "targets" / "android" / "stage.json").read_text()
    assert main(words) == 0  # a new question is a new measurement
    assert (run / "targets" / "android" / "stage.json").read_text() != before


def test_without_files_for_phones_the_bundles_int8_is_measured(finished_run, tmp_path, phone):
    shutil.copytree(finished_run[1], tmp_path / "run")
    assert main(["benchmark", str(tmp_path / "run"), "--target", "android"]) == 0
    names = {path.name for path in (tmp_path / "run" / "targets" / "android").iterdir()}
    assert names == {"stage.json", "student_int8.json"}


def test_no_usable_phone_ends_with_1_and_a_sentence(run, phone, capfd):
    phone.devices([("41021JEKB00000", "unauthorized")])
    assert main(["benchmark", str(run), "--target", "android"]) == 1
    said = capfd.readouterr().err
    assert "allow USB debugging from this computer" in said
    assert "Traceback" not in said
