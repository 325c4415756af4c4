"""deploy/bundle/phone.py: files that an app can call by name, and figures worked out by hand."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from deploy_models import CLASSES, SHAPE, calibration, chain, chain_float32, chain_int8

from hintlite.deploy.bundle.manifest import BundleError
from hintlite.deploy.bundle.phone import FORMULA, fit_of, fits, phone_files
from hintlite.deploy.convert.convert import to_dynamic_range, to_float16

DOCS = Path(__file__).parents[1] / "docs" / "phones.md"
LABELS = [f"class {number}" for number in range(CLASSES)]
NORMALIZATION = {
    "mean": [10.0] * SHAPE[2],
    "std": [200.0] * SHAPE[2],
    "raw_dtype": "uint8",
    "raw_max": 255,
}


@pytest.fixture(scope="module")
def models():
    return {
        "student_float16.tflite": to_float16(chain()),
        "student_dynamic_range.tflite": to_dynamic_range(chain()),
        "student_int8.tflite": chain_int8(),
    }


def conversions(models):
    return {name: name.removeprefix("student_").removesuffix(".tflite") for name in models}


@pytest.fixture(scope="module")
def files(models):
    samples, labels = calibration(7, seed=2), np.arange(7) % CLASSES
    return phone_files(
        models,
        conversions=conversions(models),
        labels=LABELS,
        input_shape=SHAPE,
        normalization=NORMALIZATION,
        validation=fits(models, chain_float32(), samples, labels),
        provenance={"seed": 1},
    )


def test_an_app_that_follows_phone_json_gets_what_keras_computes(files):
    """The app's side from the JSON alone: raw pixels, the signature runner, the labels."""
    from ai_edge_litert.interpreter import Interpreter

    described = json.loads(files["phone.json"])
    raw = np.random.default_rng(5).integers(0, 256, (1, *SHAPE)).astype(np.uint8)
    norm = described["normalization"]
    assert norm["formula"] == FORMULA
    real = (raw.astype(np.float32) - np.float32(norm["mean"])) / np.float32(norm["std"])
    logits = chain().predict(real, verbose=0)
    # weights of 11 bits and of 8 bits; the logits range over about 8
    steps = {"student_float16.tflite": 0.05, "student_dynamic_range.tflite": 0.2}
    for name, entry in described["models"].items():
        interpreter = Interpreter(model_content=files[name])
        taken, given = entry["signature"]["input"], entry["signature"]["output"]
        assert interpreter.get_signature_list() == {
            entry["signature"]["key"]: {"inputs": [taken["name"]], "outputs": [given["name"]]}
        }
        runner = interpreter.get_signature_runner(entry["signature"]["key"])
        value = real
        if taken["scale"] is not None:
            value = np.clip(np.round(real / taken["scale"]) + taken["zero_point"], -128, 127)
        assert taken["shape"] == list(value.shape)
        answer = runner(**{taken["name"]: value.astype(taken["dtype"])})[given["name"]]
        assert list(answer.shape) == given["shape"]
        assert answer.dtype == given["dtype"]
        answer = answer.astype(np.float32)
        tolerance = steps.get(name)
        if given["scale"] is not None:
            answer = (answer - given["zero_point"]) * given["scale"]
            tolerance = 6 * given["scale"]
        np.testing.assert_allclose(answer, logits, atol=tolerance)


def test_the_files_say_what_they_are(files, models):
    described = json.loads(files["phone.json"])
    assert set(files) == {*models, "labels.txt", "phone.json"}
    assert files["labels.txt"].decode().splitlines() == LABELS == described["task"]["labels"]
    assert described["task"]["input_shape"] == list(SHAPE)
    for name, entry in described["models"].items():
        assert files[name] == models[name]
        assert entry["sha256"] == hashlib.sha256(models[name]).hexdigest()
        assert entry["bytes"] == len(models[name])
        assert entry["conversion"] == conversions(models)[name]
    assert described["models"]["student_int8.tflite"]["precision"] == "int8"
    assert described["models"]["student_float16.tflite"]["precision"] == "float16"


def test_every_field_is_documented(files):
    def names(value):
        if isinstance(value, dict):
            for key, each in value.items():
                yield key
                yield from names(each)

    described = json.loads(files["phone.json"])
    described["models"] = next(iter(described["models"].values())) | {"operators": {}}
    described["provenance"] = {}
    text = DOCS.read_text()
    assert [name for name in names(described) if f"`{name}`" not in text] == []


def test_the_figures_are_those_of_a_worked_example():
    ours = np.array([[2, 1], [0, 1], [3, 0], [0, 4]], np.float32)
    floats = np.array([[2, 1], [1, 0], [3, 0.5], [0, 4]], np.float32)
    fit = fit_of(ours, floats, np.array([0, 0, 0, 1]), "xnnpack")
    assert (fit.samples, fit.agreement, fit.accuracy, fit.float32_accuracy) == (4, 0.75, 0.75, 1.0)
    assert fit.max_error == 1.0
    assert fit.max_error_of_range == 0.25  # the float logits range from 0 to 4
    # Wilson 1927 for 3 of 4
    n, p, z = 4, 0.75, 1.959964
    middle, half = (p + z * z / (2 * n)), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert fit.agreement_low == pytest.approx((middle - half) / (1 + z * z / n), abs=1e-6)
    assert fit.agreement_high == pytest.approx((middle + half) / (1 + z * z / n), abs=1e-6)


def test_a_file_of_another_network_shows_in_the_figures(models):
    import keras

    keras.utils.set_random_seed(99)
    other = keras.models.clone_model(chain())
    samples = calibration(20, seed=3)
    name = "student_float16.tflite"
    right = fits({name: models[name]}, chain_float32(), samples, np.zeros(20, np.int64))
    wrong = fits({name: to_float16(other)}, chain_float32(), samples, np.zeros(20, np.int64))
    assert right[name].agreement == 1.0
    assert right[name].max_error_of_range < 0.01
    assert wrong[name].max_error_of_range > 0.1


def test_a_file_without_the_signature_is_refused(models):
    import tensorflow as tf

    plain = tf.lite.TFLiteConverter.from_keras_model(chain()).convert()
    with pytest.raises(BundleError, match=r"expected 'serving_default' from 'input' to 'logits'"):
        phone_files(
            {"student_float16.tflite": plain},
            conversions={"student_float16.tflite": "float16"},
            labels=LABELS,
            input_shape=SHAPE,
            normalization=NORMALIZATION,
            validation={"student_float16.tflite": fit_of(np.eye(2), np.eye(2), np.arange(2), "")},
            provenance={},
        )
