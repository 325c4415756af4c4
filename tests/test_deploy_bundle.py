"""deploy/bundle/bundle.py and predict.py: the folder for a device, and each way it can be wrong."""

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
from deploy_models import CLASSES, SHAPE, chain, chain_float32, chain_int8
from tiny_bundle import TINY

from hintlite.deploy.bundle.bundle import BundleError, check_bundle, read_manifest, write_bundle
from hintlite.deploy.bundle.predict import classify
from hintlite.deploy.tflite.graph import ModelError
from hintlite.errors import HintliteError

LABELS = ['say "hi"', "größer", "c", "a b"]
NORMALIZATION = {
    "mean": [100.0, 120.0],
    "std": [50.0, 60.0],
    "raw_dtype": "uint8",
    "raw_max": 255.0,
}
RAW = np.random.default_rng(4).integers(0, 256, (6, *SHAPE), dtype=np.uint8)
SAMPLE_LABELS = np.array([0, 1, 2, 3, 0, 1])
SCRIPT = b"print('bench')\n"


def write(folder, **changes):
    parts = {
        "models": {"student_int8.tflite": chain_int8(), "student_float32.tflite": chain_float32()},
        "labels": LABELS,
        "input_shape": SHAPE,
        "normalization": NORMALIZATION,
        "samples_raw": RAW,
        "sample_labels": SAMPLE_LABELS,
        "bench_script": SCRIPT,
        "provenance": {"seed": 1},
    }
    return write_bundle(folder, **{**parts, **changes})


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write(tmp_path_factory.mktemp("bundles") / "device")


@pytest.fixture
def bundle(written, tmp_path):
    """A copy to damage."""
    return shutil.copytree(written, tmp_path / "device")


def edit_manifest(bundle, edit):
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    edit(manifest)
    path.write_text(json.dumps(manifest), "utf-8")


def reference_outputs(content):
    """Expected outputs with the interpreter called by hand."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    (given,), (taken,) = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for raw in RAW:
        value = (raw.astype(np.float32) - np.float32([100, 120])) / np.float32([50, 60])
        scale, zero_point = given["quantization"]
        if scale:
            steps = value / np.float32(scale)
            value = np.clip(np.sign(steps) * np.floor(np.abs(steps) + 0.5) + zero_point, -128, 127)
        interpreter.set_tensor(given["index"], value[None].astype(given["dtype"]))
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(taken["index"])[0])
    return np.stack(outputs)


def test_a_written_bundle_is_sound_and_complete(written):
    assert check_bundle(written) == []
    assert sorted(path.name for path in written.iterdir()) == [
        *("bench_tflite.py", "labels.txt", "manifest.json", "predict.py", "samples.npz"),
        *("student_float32.tflite", "student_int8.tflite", "values.py"),
    ]
    assert (written / "student_int8.tflite").read_bytes() == chain_int8()
    assert (written / "bench_tflite.py").read_bytes() == SCRIPT
    assert (written / "labels.txt").read_text("utf-8").split("\n") == [*LABELS, ""]


def test_the_manifest_describes_model_and_files(written):
    manifest = read_manifest(written)
    assert (manifest["format"], manifest["version"]) == ("hintlite-bundle", 1)
    assert manifest["task"] == {"labels": LABELS, "input_shape": list(SHAPE)}
    assert manifest["normalization"] == NORMALIZATION
    assert manifest["provenance"] == {"seed": 1}
    assert manifest["samples"]["count"] == 6
    assert manifest["samples"]["kernels"] == "reference"
    assert manifest["samples"]["runtime"].startswith("ai-edge-litert 2.")
    entry = manifest["models"]["student_int8.tflite"]
    assert entry["precision"] == "int8"
    assert entry["bytes"] == len(chain_int8())
    # Three 3x3 convolutions (biases from batch normalization) and a dense layer.
    assert entry["parameters"] == (18 * 4 + 4) + 2 * (36 * 4 + 4) + (4 * CLASSES + CLASSES)
    assert entry["macs"] == 64 * 4 * 9 * (2 + 4 + 4) + 4 * CLASSES
    assert entry["operators"] == {"CONV_2D": 3, "MEAN": 1, "FULLY_CONNECTED": 1}
    assert entry["input"]["dtype"] == entry["output"]["dtype"] == "int8"
    assert entry["output"]["shape"] == [1, CLASSES]
    assert entry["input"]["scale"] > 0
    assert manifest["models"]["student_float32.tflite"]["input"]["scale"] is None
    for name, facts in manifest["files"].items():
        content = (written / name).read_bytes()
        assert facts == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def test_samples_hold_the_reference_kernels_outputs(written):
    with np.load(written / "samples.npz", allow_pickle=False) as samples:
        np.testing.assert_array_equal(samples["inputs"], RAW)
        assert samples["inputs"].dtype == np.uint8
        np.testing.assert_array_equal(samples["labels"], SAMPLE_LABELS)
        expected = samples["expected:student_int8.tflite"]
        assert expected.dtype == np.int8
        np.testing.assert_array_equal(expected, reference_outputs(chain_int8()))
        np.testing.assert_array_equal(
            samples["expected:student_float32.tflite"], reference_outputs(chain_float32())
        )


def test_the_same_contents_give_the_same_bytes(written, tmp_path, monkeypatch):
    later = time.time() + 10_000_000
    monkeypatch.setattr(time, "time", lambda: later)
    again = write(tmp_path / "elsewhere")
    for path in written.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name
    with zipfile.ZipFile(again / "samples.npz") as archive:
        assert {member.date_time[0] for member in archive.infolist()} == {1980}


def test_each_damaged_file_is_named(bundle):
    model = bundle / "student_int8.tflite"
    content = model.read_bytes()
    model.write_bytes(content[:-1] + b"!")
    (bundle / "labels.txt").write_text("one\n")
    (bundle / "samples.npz").unlink()
    (bundle / "notes.txt").write_text("mine")
    (bundle / "bench_tflite.py").unlink()
    (bundle / "bench_tflite.py").symlink_to("/dev/null")
    assert check_bundle(bundle) == [
        "bench_tflite.py is a symbolic link; a bundle holds plain files only.",
        "labels.txt was changed: 4 bytes instead of 24.",
        "notes.txt is not the bundle's: its manifest does not name it.",
        "samples.npz is missing: copy the bundle again.",
        "student_int8.tflite was changed: its sha256 is not the manifest's.",
    ]


def test_labels_that_contradict_the_manifest_are_found(bundle):
    edit_manifest(bundle, lambda manifest: manifest["task"]["labels"].reverse())
    assert check_bundle(bundle) == ["labels.txt holds other labels than manifest.json."]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda m: m.update(format="zip"), "its format is not 'hintlite-bundle'"),
        (lambda m: m.update(version=2), "has version 2, expected 1"),
        (lambda m: m.pop("files"), "'files' is missing or no table"),
        (lambda m: m.update(models=[]), "'models' is missing or no table"),
        (lambda m: m.update(models={}), "'models' names no model"),
        (lambda m: m["models"].update({"other.tflite": {}}), "'other.tflite' is not in 'files'"),
        (lambda m: m["samples"].update(file="../x.npz"), "'../x.npz' is not in 'files'"),
        (lambda m: m["samples"].update(file=["samples.npz"]), "['samples.npz'] is not in 'files'"),
        (lambda m: m["samples"].update(file={}), "{} is not in 'files'"),
        (lambda m: m["samples"].pop("file"), "None is not in 'files'"),
        (lambda m: m["files"].update({"../evil": m["files"]["labels.txt"]}), "'../evil' is not p"),
        (lambda m: m["files"].update({"a\\b": m["files"]["labels.txt"]}), "flat folder"),
        (lambda m: m["files"].update({"/etc/passwd": {}}), "'/etc/passwd' is not plain"),
        (lambda m: m["files"].update({".hidden": {}}), "'.hidden' is not plain"),
        (lambda m: m["files"]["labels.txt"].update(sha256="0"), "no sha256 and size for labels"),
        (lambda m: m["task"].update(input_shape=[]), "must be [h, w, c], [time, c]"),
        (lambda m: m["task"].update(labels=[]), "'labels' must be a list of strings"),
        (lambda m: m["normalization"].update(mean=[1.0]), "needs 2 numbers each"),
        (lambda m: m["normalization"].update(raw_max=0), "'raw_max' must be a positive number"),
        (lambda m: m["normalization"].update(raw_dtype="int9"), "'raw_dtype' must be one of"),
    ],
)
def test_each_malformed_manifest_is_refused(bundle, edit, message):
    edit_manifest(bundle, edit)
    (problem,) = check_bundle(bundle)
    assert message in problem


def test_folders_without_a_readable_manifest(tmp_path):
    assert "is not a folder" in check_bundle(tmp_path / "gone")[0]
    assert "cannot read manifest.json" in check_bundle(tmp_path)[0]
    for text in ("", "{", "[" * 100_000, "\xff"):
        (tmp_path / "manifest.json").write_bytes(text.encode("latin-1"))
        assert "is not JSON" in check_bundle(tmp_path)[0]
    (tmp_path / "manifest.json").unlink()
    (tmp_path / "manifest.json").symlink_to("/etc/hostname")
    assert "symbolic link" in check_bundle(tmp_path)[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ["a", "b\nc", "d", "e"]}, r"'b\\nc' is empty or holds a line break"),
        ({"labels": ["a", "b\u2028", "d", "e"]}, "line break"),
        ({"labels": ["a", "", "d", "e"]}, "'' is empty"),
        (
            {"labels": LABELS[:3], "sample_labels": SAMPLE_LABELS % 3},
            r"\[4\]; expected .* to \[3\]",
        ),
        ({"models": {"../up.tflite": b""}}, r"'\.\./up\.tflite' must be a plain file name"),
        ({"models": {"labels.txt": b""}}, "none of the bundle's own names"),
        ({"models": {}}, "names no model"),
        ({"samples_raw": RAW.astype(np.float32)}, "got samples of float32 and raw_dtype 'uint8'"),
        ({"normalization": {**NORMALIZATION, "raw_dtype": "int16"}}, "raw_dtype 'int16'"),
        ({"samples_raw": RAW[:, :4]}, r"got samples \[6, 4, 8, 2\]"),
        ({"samples_raw": RAW[:0], "sample_labels": SAMPLE_LABELS[:0]}, "at least 1 sample"),
        ({"sample_labels": SAMPLE_LABELS + 1}, "between 0 and 3 for 4 classes, got 1 to 4"),
        ({"provenance": {"when": object()}}, "what JSON cannot"),
    ],
)
def test_contents_that_do_not_fit_are_refused_and_leave_nothing(tmp_path, changes, message):
    with pytest.raises(BundleError, match=message):
        write(tmp_path / "device", **changes)
    assert list(tmp_path.iterdir()) == []


def test_damaged_models_and_bad_normalization_are_refused(tmp_path):
    with pytest.raises(ModelError, match="is damaged"):
        write(tmp_path / "device", models={"m.tflite": chain_int8()[:500]})
    with pytest.raises(HintliteError, match="one mean and one positive standard deviation"):
        write(tmp_path / "device", normalization={**NORMALIZATION, "mean": [1.0]})
    assert list(tmp_path.iterdir()) == []


def test_an_older_bundle_is_replaced(bundle):
    write(bundle, models={"only.tflite": chain_int8()}, bench_script=__file__)
    assert check_bundle(bundle) == []
    assert not (bundle / "student_int8.tflite").exists()
    assert list(bundle.parent.iterdir()) == [bundle]


def test_what_is_no_bundle_is_never_overwritten(tmp_path, bundle):
    mine = tmp_path / "photos"
    mine.mkdir()
    (mine / "cat.jpg").write_text("cat")
    with pytest.raises(BundleError, match="not empty and holds no bundle"):
        write(mine)
    assert (mine / "cat.jpg").read_text() == "cat"
    with pytest.raises(BundleError, match="is a file"):
        write(mine / "cat.jpg")
    (bundle / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match=r"not the bundle's \(notes\.txt\)"):
        write(bundle)


def test_a_failure_while_writing_leaves_the_old_bundle(bundle, monkeypatch):
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    real_replace, calls = os.replace, []

    def failing_replace(source, target):
        calls.append(target)
        if len(calls) == 2:  # the old bundle is aside, the new one not yet in its place
            raise OSError(28, "No space left on device")
        real_replace(source, target)

    monkeypatch.setattr(os, "replace", failing_replace)
    with pytest.raises(OSError, match="No space left"):
        write(bundle, models={"only.tflite": chain_int8()})
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before
    assert list(bundle.parent.iterdir()) == [bundle]


def softmax_by_hand(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_classify_gives_the_networks_probabilities(bundle):
    inputs = (RAW.astype(np.float32) - np.float32([100, 120])) / np.float32([50, 60])
    expected = softmax_by_hand(chain().predict(inputs, verbose=0).astype(np.float64))
    from_bundle = classify(bundle, RAW, model="student_float32.tflite")
    np.testing.assert_allclose(from_bundle, expected, atol=1e-5)
    from_file = classify(chain_float32(), RAW, normalization=NORMALIZATION)
    np.testing.assert_array_equal(from_file, from_bundle)
    int8 = classify(bundle, RAW)  # the bundle's INT8 model by default
    assert not np.array_equal(int8, from_bundle)
    assert (int8.argmax(axis=1) == expected.argmax(axis=1)).mean() >= 0.8


def test_classify_applies_no_second_softmax():
    import keras

    from hintlite.deploy.convert.convert import to_float32

    ended = keras.Model(chain().inputs, keras.layers.Softmax()(chain().output))
    probabilities = classify(to_float32(ended), RAW, normalization=NORMALIZATION)
    plain = classify(chain_float32(), RAW, normalization=NORMALIZATION)
    np.testing.assert_allclose(probabilities, plain, atol=1e-5)


def test_classify_refuses_in_sentences(bundle):
    with pytest.raises(HintliteError, match="says nothing about its normalization"):
        classify(chain_int8(), RAW)
    with pytest.raises(ModelError, match=r"shape \[n, 8, 8, 2\], got \[6, 4, 8, 2\]: bring"):
        classify(bundle, RAW[:, :4])
    with pytest.raises(BundleError, match="Name one of the bundle's models: student_float32"):
        classify(bundle, RAW, model="teacher.tflite")
    model = bundle / "student_int8.tflite"
    model.write_bytes(model.read_bytes() + b"0")
    with pytest.raises(BundleError, match="was changed"):
        classify(bundle, RAW)


def predicted_alone(folder, *paths):
    """What predict.py prints in a process that knows nothing of this repository."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    words = [sys.executable, "-I", "predict.py", *map(str, paths)]
    return subprocess.run(
        words, cwd=folder, env=kept, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_the_bundles_own_script_answers_as_classify_does(precision, tmp_path):
    model = {"int8": chain_int8, "float32": chain_float32}[precision]()
    name = f"student_{precision}.tflite"
    write(tmp_path / "bundle", models={name: model})
    paths = [tmp_path / f"{i}.npy" for i in range(len(RAW))]
    for path, raw in zip(paths, RAW, strict=True):
        np.save(path, raw)
    done = predicted_alone(tmp_path / "bundle", *paths)
    assert done.returncode == 0, done.stderr
    chosen = classify(tmp_path / "bundle", RAW, model=name).argmax(axis=1)
    expected = [f"{path}\t{LABELS[i]}" for path, i in zip(paths, chosen, strict=True)]
    assert done.stdout.splitlines() == expected
    assert len(set(chosen)) > 1


def test_the_bundles_own_script_is_python_3_7_and_says_how_it_is_called(written):
    for script in ("predict.py", "values.py"):
        text = (written / script).read_text()
        ast.parse(text, feature_version=(3, 7))
    text = (written / "predict.py").read_text()
    code = text[text.index("FOLDER =") :].splitlines()
    assert sum(bool(line.strip()) for line in code) <= 20
    done = predicted_alone(written)
    assert done.returncode == 1
    assert "python3 predict.py cat.png" in done.stderr


def test_the_bundles_own_script_takes_pictures_of_any_size(tmp_path):
    from PIL import Image

    from hintlite.pipeline.data.picture import load_picture

    shape = (8, 8, 1)
    write(
        tmp_path / "bundle",
        models={"student_int8.tflite": TINY.read_bytes()},
        input_shape=shape,
        normalization={"mean": [10.0], "std": [245.0], "raw_dtype": "uint8", "raw_max": 255.0},
        samples_raw=RAW[..., :1],
    )
    paths = [tmp_path / f"{i}.png" for i in range(4)]
    for i, path in enumerate(paths):
        colors = np.random.default_rng(i).integers(0, 60 * i + 60, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(colors).save(path)
    done = predicted_alone(tmp_path / "bundle", *paths)
    assert done.returncode == 0, done.stderr
    raw = np.stack([load_picture(path, shape) for path in paths])
    chosen = classify(tmp_path / "bundle", raw).argmax(axis=1)
    assert [line.split("\t")[1] for line in done.stdout.splitlines()] == [LABELS[i] for i in chosen]
