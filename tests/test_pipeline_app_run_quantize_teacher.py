"""A teacher's files: what cannot be made is a note, and nothing ends for it."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from hintlite.pipeline.app.run.console import Terminal
from hintlite.pipeline.app.run.stages.evaluate import figures
from hintlite.pipeline.app.run.stages.quantize_teacher import made, missing, work
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.settings.data import DataConfig
from hintlite.pipeline.settings.run import RunConfig


def teacher(middle):
    """A network for the digits with something in its middle."""
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(middle(x))
    return keras.Model(inputs, {"logits": keras.layers.Dense(10)(x)})


def converted(folder, network):
    """The stage's folder filled, as a run would have it."""
    context = SimpleNamespace(
        config=RunConfig(),
        kept=load_training(DataConfig(limit=60, calibration_samples=10)),
        terminal=Terminal(),
        teacher=lambda: network,
        file=lambda stage, name: folder / name,
    )
    work(context, folder)
    return context


@pytest.mark.parametrize(
    ("middle", "files", "reason"),
    [
        (keras.layers.ReLU(), ("float32", "int8"), None),
        (keras.layers.LayerNormalization(), ("float32",), "not full INT8"),
        (lambda x: keras.ops.erfinv(keras.ops.tanh(x)), (), "TFLite has no operator"),
    ],
    ids=["plain", "layer normalization", "no operator"],
)
def test_there_are_the_files_that_can_be_made(tmp_path, capfd, middle, files, reason):
    context = converted(tmp_path, teacher(middle))
    assert made(context) == files
    record = json.loads((tmp_path / "verify.json").read_text())
    assert (record["figures"] is not None) == (len(files) == 2)
    assert set(missing(context)) == {"float32", "int8"} - set(files)
    said = capfd.readouterr().err
    for name, why in missing(context).items():
        assert reason in why
        assert f"teacher: no {name} file" in said


def test_what_a_layer_raises_when_it_is_traced_is_a_note_too(tmp_path):
    class Fails(keras.layers.Layer):
        def call(self, x):
            if x.shape[0] == 1:
                raise TypeError("not one at a time")
            return x

    context = converted(tmp_path, teacher(Fails()))
    assert made(context) == ()
    assert "not one at a time" in missing(context)["int8"]


def test_the_metrics_of_a_file_hold_recall_and_its_kin_beside_accuracy():
    labels = np.array([0] * 24 + [1])
    found = figures(labels, np.tile([1.0, 0.0], (25, 1)))
    assert (found["correct"], found["total"], found["accuracy"]) == (24, 25, 0.96)
    assert found["low"] < 0.96 < found["high"]
    assert found["balanced_accuracy"] == 0.5
    assert found["recall"] == (1.0, 0.0)
    assert found["precision"] == (0.96, None)
    assert found["macro_f1"] == pytest.approx(24 / 49)
