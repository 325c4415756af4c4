"""hintlite.quantize, bundle and export_c, and the commands on what they write."""

import json

import keras
import numpy as np
import own_models
import pytest

import hintlite
from hintlite.pipeline.app.cli.main import main

VALIDATION = own_models.samples(18, seed=2)
NAMES = ["upper", "middle", "lower"]


@pytest.fixture(scope="module")
def files():
    return hintlite.quantize(
        own_models.trained_teacher(), own_models.samples()[0], VALIDATION, labels=NAMES
    )


def test_the_files_are_the_network_without_its_softmax(files):
    from hintlite.deploy.interpret.runtime import Runner

    model = own_models.trained_teacher()
    logits = Runner(files.float32).predict(VALIDATION[0])
    exact = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(exact, model.predict(VALIDATION[0], verbose=0), atol=1e-5)
    chosen = Runner(files.int8).predict(VALIDATION[0]).argmax(1)
    assert files.agreement == np.mean(chosen == logits.argmax(1)) > 0.9
    assert "agreement" in repr(files)


def test_a_bundle_says_what_the_device_feeds(files, tmp_path, capsys):
    folder = hintlite.bundle(files, tmp_path / "out")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["normalization"] == {
        "mean": [0.0],
        "std": [1.0],
        "raw_dtype": "float32",
        "raw_max": None,
    }
    assert (folder / "labels.txt").read_text().split() == NAMES
    quick = ["--benchmark.window_s", "0.02", "--benchmark.warmup_s", "0.02"]
    for words in (
        ["bundle", str(folder), "--check"],
        ["inspect", str(folder)],
        ["fit", str(folder), "--board", "nano33ble"],
        ["bundle", str(folder), "--mcu", "c", "--name", "net", "--out", str(tmp_path / "c")],
        ["benchmark", str(folder), "--out", str(tmp_path / "timed"), *quick],
    ):
        assert main(words) == 0, words
    assert "full INT8" in capsys.readouterr().out
    assert (tmp_path / "timed" / "host" / "result.json").is_file()


@pytest.mark.whole
def test_arrays_made_from_pixels_let_the_device_feed_pixels(tmp_path):
    pixels, labels = own_models.samples(18, seed=2, dtype=np.uint8)
    model = own_models.trained_teacher()
    scaled = pixels / np.float32(255)
    files = hintlite.quantize(model, own_models.samples()[0], (scaled, labels))
    folder = hintlite.bundle(files, tmp_path / "out", NAMES, feeding=hintlite.Feeding(std=255))
    with np.load(folder / "samples.npz", allow_pickle=False) as held:
        assert held["inputs"].dtype == np.uint8
        assert {row.tobytes() for row in held["inputs"]} <= {row.tobytes() for row in pixels}
    with pytest.raises(hintlite.HintliteError, match="expected whole numbers from 0 to 255"):
        hintlite.bundle(files, tmp_path / "other", NAMES, feeding=hintlite.Feeding(std=100))


@pytest.mark.whole
def test_a_model_that_rescales_its_input_is_fed_pixels(tmp_path):
    """Pixels in, pixels in the manifest: nothing is rescaled on the way."""
    inner = own_models.trained_teacher()
    inputs = keras.Input((6, 6, 1))
    model = keras.Model(inputs, inner(keras.layers.Rescaling(1 / 255)(inputs)))
    pixels = own_models.samples(48, dtype=np.uint8)
    held_out = own_models.samples(18, seed=2, dtype=np.uint8)
    files = hintlite.quantize(model, pixels, held_out)
    assert files.checks.figures.int8_accuracy > 0.9
    folder = hintlite.bundle(files, tmp_path / "out", NAMES)
    normalization = json.loads((folder / "manifest.json").read_text())["normalization"]
    assert (normalization["raw_dtype"], normalization["raw_max"]) == ("uint8", 255.0)
    assert (normalization["mean"], normalization["std"]) == ([0.0], [1.0])


def test_c_comes_from_files_bytes_paths_and_bundles(files, tmp_path):
    folder = hintlite.bundle(files, tmp_path / "out", NAMES)
    forms = [files, files.int8, folder, folder / "student_int8.tflite"]
    made = [hintlite.export_c(form, tmp_path / f"c{i}", "net") for i, form in enumerate(forms)]
    for each in (made[0], made[2]):  # what a bundle knows goes along
        labels = (each.folder / "net_labels.h").read_text()
        assert all(name in labels for name in NAMES)
    texts = {(each.folder / "net_weights.c").read_text() for each in made}
    assert len(texts) == 1
    with pytest.raises(hintlite.HintliteError, match="there is no file"):
        hintlite.export_c(tmp_path / "none.tflite", tmp_path / "c")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"calibration": VALIDATION[0]}, "18 of the 18 calibration samples are validation samples"),
        ({"calibration": VALIDATION[0][:, :4]}, r"networks take \[n, 6, 6, 1\]"),
        ({"labels": ["one"]}, r"labels: 1 name \(one\)"),
        ({"student": own_models}, r"expected a keras\.Model"),
        ({"validation": VALIDATION[0]}, r"validation: expected \(x, y\)"),
    ],
)
def test_what_cannot_be_converted_is_said_in_a_sentence(change, message):
    usual = {
        "student": own_models.student(),
        "calibration": own_models.samples()[0],
        "validation": VALIDATION,
    }
    with pytest.raises(hintlite.HintliteError, match=message):
        hintlite.quantize(**usual | change)


def test_files_that_break_a_bound_are_refused_or_marked():
    given = (own_models.trained_teacher(), own_models.samples()[0], VALIDATION)
    files = hintlite.quantize(*given, min_agreement=1.0, strict=False)
    assert files.checks.ok == (files.agreement == 1.0)
    noise = np.random.default_rng(0).normal(size=VALIDATION[0].shape)
    given = (given[0], noise * 1e-6, VALIDATION)  # ranges that no sample keeps to
    with pytest.raises(hintlite.HintliteError, match="not good enough"):
        hintlite.quantize(*given)
    assert hintlite.quantize(*given, strict=False).checks.failures


@pytest.mark.whole
def test_calibration_samples_of_another_range_are_named_as_the_cause():
    given = (own_models.trained_teacher(), own_models.samples()[0] * 255, VALIDATION)
    said = r"loses \d+\.\d\d points of accuracy.*\ncalibration goes from .* to 25., validation from"
    with pytest.raises(hintlite.HintliteError, match=said):
        hintlite.quantize(*given)


def test_a_network_that_answers_one_class_is_warned_of(recwarn):
    student = own_models.student(softmax=False)
    kernel, bias = student.layers[-1].weights
    kernel.assign(keras.ops.zeros_like(kernel))
    bias.assign([0.0, 9.0, 0.0])
    hintlite.quantize(student, own_models.samples()[0], VALIDATION, labels=NAMES)
    (said,) = [each for each in recwarn if "collapsed" in str(each.message)]
    assert "it answers 'middle' for all 18 validation samples" in str(said.message)
    assert said.filename == __file__


def test_sizes_that_a_model_leaves_open_are_those_of_the_samples():
    inputs = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    outputs = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x))
    files = hintlite.quantize(
        keras.Model(inputs, outputs), own_models.samples()[0], VALIDATION, strict=False
    )
    assert hintlite.inspect(files).inputs[0].shape == (1, 6, 6, 1)
