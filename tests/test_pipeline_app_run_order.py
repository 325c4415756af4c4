"""A whole run on what users bring: their own teacher, data in memory."""

import csv
import json

import keras
import numpy as np
import pytest

import hintlite
from hintlite.models.settings import NetworkConfig
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.settings.data import DataConfig
from hintlite.pipeline.settings.measuring import BenchmarkConfig
from hintlite.pipeline.settings.methods import HintConfig
from hintlite.pipeline.settings.quantize import QuantizeConfig
from hintlite.pipeline.settings.run import RunConfig
from hintlite.pipeline.settings.training import TrainingConfig

SMALL = {
    "accept_chance": True,
    "teacher_training": TrainingConfig(epochs=1, batch_size=32),
    "training": TrainingConfig(epochs=1, batch_size=32),
    "student": NetworkConfig(widths=(3, 4), depths=(1, 1)),
    "quantize": QuantizeConfig(min_agreement=0.0, max_accuracy_drop=100.0),
    "benchmark": BenchmarkConfig(window_s=0.02, warmup_s=0.02, min_runs=5),
}


def pictures(count, classes, shape, seed=0):
    """Images whose brightness tells their class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    noise = rng.integers(0, 60, (count, *shape))
    return (noise + labels.reshape(-1, 1, 1, 1) * 150 // classes).astype(np.uint8), labels


@pytest.mark.whole
def test_a_dataset_in_memory_goes_through_the_whole_line(tmp_path, capfd):
    import tensorflow as tf

    from hintlite.pipeline.data.sources.tf_dataset import from_tf_dataset

    images, labels = pictures(90, 3, (8, 8, 3))
    images[75] = images[3]  # a test sample that is trained or chosen on
    train = tf.data.Dataset.from_tensor_slices((images[:60], labels[:60])).batch(7)
    test = tf.data.Dataset.from_tensor_slices((images[60:], labels[60:]))
    config = RunConfig(
        arms=("hint+kd",),
        data=DataConfig(calibration_samples=12),
        teacher=NetworkConfig(widths=(4, 6), depths=(1, 1)),
        hint=HintConfig(epochs=1),
        **SMALL,
    )
    source = from_tf_dataset(train, test, class_names=("dark", "gray", "bright"), name="greys")
    rows = hintlite.run(tmp_path / "run", config, source).table
    assert [(row.model, row.precision) for row in rows] == [
        ("teacher", "float32"),
        ("teacher", "int8"),
        ("hint+kd", "float32"),
        ("hint+kd", "int8"),
    ]
    said = (tmp_path / "run" / "log.txt").read_text()
    assert "data: greys, " in said
    assert "copies: 1 of the 30 test samples are in the training" in said
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert (report["data"]["name"], report["data"]["test_copies"]) == ("greys", 1)
    assert report["data"]["values"]["taken_for"] == [0, 255]
    labels_file = tmp_path / "run" / "bundle" / "device" / "labels.txt"
    assert labels_file.read_text().split() == ["dark", "gray", "bright"]
    manifest = json.loads((labels_file.parent / "manifest.json").read_text())
    assert manifest["provenance"]["data"] == "greys"
    metrics = json.loads((tmp_path / "run" / "evaluate" / "metrics.json").read_text())
    assert metrics["teacher:int8"]["total"] == 30
    asked = tmp_path / "run" / "test_evaluations.json"
    (first,) = json.loads(asked.read_text())
    assert first["files"] == list(metrics)
    # The command goes on with the samples that the run keeps.
    rate = ["--training.learning_rate", "0.001"]
    for words in (["bundle", "--mcu", "c"], ["distill", *rate], ["quantize"], ["evaluate"]):
        assert main([words[0], str(tmp_path / "run"), *words[1:]]) == 0, capfd.readouterr().err
    assert "evaluation on the test part: 30 samples" in capfd.readouterr().err
    assert json.loads(asked.read_text()) == [first, first]  # the stage was made anew, not the count


@pytest.mark.slow(
    modules=["hintlite.pipeline.app.run", "hintlite.pipeline.data", "hintlite.models"]
)
def test_a_transfer_learning_teacher_goes_through_the_whole_line(tmp_path, capfd):
    base = keras.applications.MobileNetV2(
        input_shape=(32, 32, 3), alpha=0.35, include_top=False, weights=None
    )
    images, labels = pictures(120, 3, (32, 32, 3))
    for layer in base.layers:  # statistics of these images, as a training leaves them
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    base(images / np.float32(255), training=True)
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.GlobalAveragePooling2D()(base(inputs, training=False))
    outputs = keras.layers.Dense(3, activation="softmax")(keras.layers.Dropout(0.2)(x))
    keras.Model(inputs, outputs).save(tmp_path / "teacher.keras")
    np.savez(tmp_path / "data.npz", x=images, y=labels)
    words = [
        *("run", str(tmp_path / "run"), "--arms", "[hint+kd]"),
        *("--data.source", "npz", "--data.path", str(tmp_path / "data.npz")),
        *("--data.calibration_samples", "30", "--teacher.family", "keras_file"),
        *("--teacher.path", str(tmp_path / "teacher.keras")),
        f"--teacher.taps.stage2={base.name}/block_3_project_BN",
        f"--teacher.taps.stage3={base.name}/block_6_project_BN",
        *("--student.widths", "[4,6,8]", "--student.depths", "[1,1,1]"),
        *("--student.times_fewer", "null", "--hint.regressor", "pooled"),
        *("--training.epochs", "1", "--hint.epochs", "1", "--benchmark.window_s", "0.02"),
        *("--quantize.min_agreement", "0", "--quantize.max_accuracy_drop", "100"),
        *("--accept_chance", "true"),  # the head was not trained
    ]
    assert main(words) == 0, capfd.readouterr().err
    history = tmp_path / "run" / "distill" / "hint+kd" / "history.csv"
    with history.open() as file:
        assert [row["phase"] for row in csv.DictReader(file)] == ["pretrain", "task"]
    assert not (tmp_path / "run" / "teacher" / "0" / "history.csv").exists()  # used as it is
    assert main(["predict", str(tmp_path / "run"), str(_picture(tmp_path))]) == 0


def _picture(folder):
    from PIL import Image

    Image.fromarray(np.full((50, 40, 3), 90, np.uint8)).save(folder / "gray.png")
    return folder / "gray.png"
