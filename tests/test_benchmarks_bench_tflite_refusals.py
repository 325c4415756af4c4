"""bench_tflite.py: what it refuses, in one line and with the right exit code."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from json_schema import faults
from tiny_bundle import (
    COUNT,
    FAST,
    MODEL,
    SCRIPT,
    TINY,
    error_line,
    run,
    write_bundle,
    write_manifest,
)

from hintlite.benchmarks import bench_tflite as bench

SCHEMA = json.loads(SCRIPT.with_suffix(".schema.json").read_text())
INPUT = {"dtype": np.int8, "quantization": (0.5, -3), "shape": [1, 8, 8, 1]}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("made") / "bundle")


@pytest.fixture
def own_bundle(bundle, tmp_path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(bundle, tmp_path / "own"))


@pytest.mark.parametrize("name", [MODEL, "samples.npz", "bench_tflite.py"])
def test_a_changed_file_is_invalid_and_nothing_is_run(name, own_bundle):
    data = bytearray((own_bundle / name).read_bytes())
    data[-1] ^= 1 if name != "bench_tflite.py" else ord("\n") ^ ord(" ")
    (own_bundle / name).write_bytes(data)
    process = run(*FAST, cwd=own_bundle)
    assert process.returncode == 1
    report = json.loads(process.stdout)
    assert list(faults(report, SCHEMA, SCHEMA)) == []
    assert report["verdict"]["state"] == "invalid"
    assert [reason["code"] for reason in report["verdict"]["reasons"]] == ["changed"]
    assert name in report["verdict"]["reasons"][0]["what"]
    assert (report["latency"], report["runtime"], report["numpy"]) == (None, None, None)


def test_other_outputs_than_expected_are_invalid(own_bundle):
    with np.load(own_bundle / "samples.npz") as file:
        arrays = dict(file)
    arrays["expected:" + MODEL] = arrays["expected:" + MODEL].copy()
    arrays["expected:" + MODEL][3, 1] ^= 1
    np.savez(own_bundle / "samples.npz", **arrays)
    (own_bundle / "manifest.json").unlink()
    write_manifest(own_bundle, [8, 8, 1], 4)
    process = run(*FAST, "--kernels", "reference", cwd=own_bundle)
    assert process.returncode == 1
    report = json.loads(process.stdout)
    assert report["exactness"]["bit_exact"] is False
    assert report["exactness"]["checks"][0]["equal"] == COUNT - 1
    assert report["exactness"]["checks"][0]["max_difference_steps"] == 1
    codes = [r["code"] for r in report["verdict"]["reasons"] if r["state"] == "invalid"]
    assert codes == ["outputs_differ"]


@pytest.mark.parametrize(
    "words",
    [
        ["--frobnicate"],
        ["--threads", "0"],
        ["--windows", "many"],
        ["--window-s", "nan"],
        ["--kernels", "fast"],
        ["--no-delegate", "--kernels", "xnnpack"],
        ["--json", "no/such/folder/out.json"],
        ["--json", MODEL],
        ["--model", "other.tflite", "--bundle", "."],
        [],
    ],
)
def test_wrong_use_exits_with_2(words, own_bundle):
    if not words:
        (own_bundle / "manifest.json").unlink()
    process = run(*words, cwd=own_bundle)
    assert process.returncode == 2
    assert error_line(process)


def test_help_shows_examples_and_exits_with_0(tmp_path):
    process = run("--help", cwd=tmp_path)
    assert process.returncode == 0
    assert "python3 bench_tflite.py --model any.tflite" in process.stdout
    assert "--window_s" in process.stdout


@pytest.mark.parametrize("kept", [0, 5, 100, 1000, -8])
def test_a_truncated_model_is_an_error_of_one_line(kept, tmp_path):
    path = tmp_path / "cut.tflite"
    path.write_bytes(TINY.read_bytes()[:kept])
    process = run("--model", str(path), *FAST, cwd=tmp_path)
    assert process.returncode == 1
    assert "damaged" in error_line(process)


def test_no_model_at_all_is_an_error(tmp_path):
    with pytest.raises(bench.BenchError, match=r"cannot read the model .*No such file"):
        bench.measure(bench.Options(model=str(tmp_path / "none.tflite")))
    with pytest.raises(bench.BenchError, match=r"cannot read the model .*directory"):
        bench.measure(bench.Options(model=str(tmp_path)))
    (tmp_path / "text.tflite").write_text("not a model at all")
    with pytest.raises(bench.BenchError, match=r"no \.tflite file"):
        bench.measure(bench.Options(model=str(tmp_path / "text.tflite")))


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "a\\b", "..", "", "C:x", "a\0b"])
@pytest.mark.parametrize("place", ["files", "models", "samples"])
def test_names_that_leave_the_folder_are_refused(place, name, own_bundle):
    manifest = json.loads((own_bundle / "manifest.json").read_text())
    if place == "samples":
        manifest["samples"]["file"] = name
    else:
        manifest[place][name] = {"sha256": "0" * 64}
    (own_bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(bench.BenchError, match="flat folder"):
        bench.find_subject(bench.Options(bundle=str(own_bundle)))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda m: "{", "not JSON"),
        (lambda m: "[" * 100000, "not JSON"),
        (lambda m: [m], "hintlite-bundle"),
        (lambda m: {**m, "format": "zip"}, "hintlite-bundle"),
        (lambda m: {**m, "version": 2}, "version 2"),
        (lambda m: {**m, "models": []}, "table of files"),
        (lambda m: {**m, "files": {MODEL: 3}}, "table of files"),
        (lambda m: {**m, "samples": "samples.npz"}, "samples"),
        (lambda m: {**m, "files": {}}, "no sha256"),
    ],
)
def test_spoilt_manifests_are_refused(change, text, own_bundle):
    path = own_bundle / "manifest.json"
    changed = change(json.loads(path.read_text()))
    path.write_text(changed if isinstance(changed, str) else json.dumps(changed))
    with pytest.raises(bench.BenchError, match=text):
        bench.find_subject(bench.Options(bundle=str(own_bundle)))


def test_missing_files_matter_where_they_are_needed(own_bundle):
    options = bench.Options(bundle=str(own_bundle))
    (own_bundle / "bench_tflite.py").unlink()
    assert bench.changed_files(bench.find_subject(options)) == []
    (own_bundle / "samples.npz").unlink()
    with pytest.raises(bench.BenchError, match=r"samples\.npz is missing"):
        bench.changed_files(bench.find_subject(options))


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"inputs": np.zeros((2, 8, 8, 1), np.uint8)}, "labels"),
        ({"inputs": np.zeros((2, 9, 8, 1), np.uint8), "labels": np.zeros(2)}, "expected"),
        ({"inputs": np.zeros((2, 8, 8, 1), np.uint8), "labels": np.zeros(3)}, "labels"),
        ({"inputs": np.array([None]), "labels": np.zeros(1)}, "allow_pickle"),
    ],
)
def test_spoilt_samples_are_refused(arrays, text, own_bundle):
    np.savez(own_bundle / "samples.npz", **arrays)
    subject = bench.find_subject(bench.Options(bundle=str(own_bundle)))
    interpreter = SimpleNamespace(get_input_details=lambda: [INPUT])
    with pytest.raises(bench.BenchError, match=text):
        bench.load_samples(subject, interpreter)


def test_expected_outputs_of_another_model_are_refused():
    with pytest.raises(bench.BenchError, match="another model"):
        bench.compare_outputs("reference", [[np.zeros(4, np.int8)]], [np.zeros((1, 5), np.int8)])


def test_the_model_that_is_picked():
    models = {"a": {"precision": "float16"}, "b": {"precision": "int8"}}
    assert bench.pick_model({"models": models}, None) == "b"
    assert bench.pick_model({"models": models}, "a") == "a"
    assert bench.pick_model({"models": {"a": {}}}, None) == "a"
    with pytest.raises(bench.UsageError, match="a, c"):
        bench.pick_model({"models": {"a": {}, "c": {}}}, None)
