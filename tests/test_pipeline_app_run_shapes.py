"""A whole run, by the real command, on data of other shapes in their true file formats."""

import dataclasses
import hashlib
import json
import tarfile
from functools import partial

import numpy as np
import pytest
import yaml
from PIL import Image
from test_pipeline_data_sources import write_cifar10

from hintlite.deploy.bundle.bundle import check_bundle, read_manifest
from hintlite.deploy.interpret.runtime import Runner
from hintlite.deploy.tflite.inspect import inspect
from hintlite.deploy.tflite.quantization import normalize
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.data.sources import cifar
from hintlite.pipeline.data.sources.dispatch import SOURCES

# Each trains, converts, evaluates and benchmarks four files.
pytestmark = [
    pytest.mark.slow(
        modules=[
            "hintlite.pipeline.app.run",
            "hintlite.pipeline.data",
            "hintlite.deploy.bundle",
            "hintlite.deploy.convert",
        ]
    ),
    pytest.mark.timeout(1800),
]

TINY = {
    "arms": ["hint+kd"],
    "accept_chance": True,
    "teacher": {"widths": [4, 6], "depths": [1, 1]},
    "teacher_training": {"epochs": 1, "batch_size": 32},
    "student": {"widths": [3, 4], "depths": [1, 1], "times_fewer": None},
    "training": {"epochs": 1, "batch_size": 32},
    "hint": {"epochs": 1},
    "quantize": {"min_agreement": 0.0, "max_accuracy_drop": 100},
    "benchmark": {"window_s": 0.02, "warmup_s": 0.02, "min_runs": 5},
}
SPEECH = {
    "teacher": {"family": "ds_cnn", "widths": [8], "depths": [2]},
    "student": {"family": "ds_cnn", "widths": [4], "depths": [2]},
}


def images_of(labels, shape, classes, seed=0):
    """uint8 [n, *shape] whose brightness tells their class."""
    rng = np.random.default_rng(seed)
    level = (labels * 150 // classes).reshape(-1, *[1] * len(shape))
    return (rng.integers(0, 60, (len(labels), *shape)) + level).astype(np.uint8)


def write_npz(path, per_class, classes, shape, dtype=np.uint8):
    labels = np.tile(np.arange(classes), per_class)
    images = images_of(labels, shape, classes).astype(dtype)
    np.savez(path, x=images, y=labels)
    return path


def write_pictures(root, names, per_class, mode, sizes, endings):
    """A folder of pictures a class, in turn of these sizes (width, height) and file formats."""
    for label, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for number in range(per_class):
            width, height = sizes[number % len(sizes)]
            shape = (height, width) if mode == "L" else (height, width, len(mode))
            pixels = images_of(np.array([label]), shape, len(names), seed=number)[0]
            ending = endings[number % len(endings)]
            Image.fromarray(pixels, mode).save(root / name / f"{number}.{ending}")
    return root


def run_line(folder, data, **networks):
    """`hintlite run` with these samples; returns the run folder."""
    settings, run = folder / "settings.yaml", folder / "run"
    calibration = {"calibration_samples": 24}
    settings.write_text(yaml.safe_dump(TINY | networks | {"data": calibration | data}))
    assert main(["run", str(run), "--config", str(settings)]) == 0
    return run


def check_line(run, shape, names, tested):
    """What every run must have made, whatever its samples look like.

    Args:
        run: the run folder.
        shape: (h, w, c) of the samples.
        names: of the classes.
        tested: how many samples the test part has.
    """
    facts = json.loads((run / "data" / "data.json").read_text())
    assert tuple(facts["input_shape"]) == shape
    assert facts["class_names"] == list(names)
    assert len(facts["normalization"]["mean"]) == shape[2]
    _check_files(run, shape, len(names))
    _check_predictions(run, len(names), tested)
    _check_bundle(run, shape, names)
    assert (run / "report.html").is_file()


def _check_files(run, shape, classes):
    for name in ("teacher", "student"):
        stage = "teacher" if name == "teacher" else "hint+kd"
        info = inspect(run / "quantize" / stage / f"{name}_int8.tflite")
        assert info.is_full_int8, info.not_int8_reasons
        assert [tensor.shape for tensor in info.inputs] == [(1, *shape)]
        assert [tensor.shape for tensor in info.outputs] == [(1, classes)]
        assert {tensor.dtype.lower() for tensor in (*info.inputs, *info.outputs)} == {"int8"}


def _check_predictions(run, classes, tested):
    metrics = json.loads((run / "evaluate" / "metrics.json").read_text())
    with np.load(run / "evaluate" / "predictions.npz", allow_pickle=False) as file:
        arrays = dict(file)
    assert set(metrics) == {
        f"{model}:{precision}"
        for model in ("teacher", "hint+kd")
        for precision in ("float32", "int8")
    }
    assert arrays["labels"].shape == (tested,)
    assert set(arrays["labels"].tolist()) <= set(range(classes))
    for name, figure in metrics.items():
        assert arrays[name].shape == (tested, classes)
        assert np.isfinite(arrays[name]).all()
        assert np.ptp(arrays[name], axis=0).max() > 0, "one answer for all samples"
        assert figure["total"] == tested
        assert figure["correct"] == (arrays[name].argmax(axis=1) == arrays["labels"]).sum()


def _check_bundle(run, shape, names):
    """The manifest tells how to get from raw samples to the expected outputs."""
    device = run / "bundle" / "device"
    assert check_bundle(device) == []
    manifest = read_manifest(device)
    assert manifest["task"] == {"labels": list(names), "input_shape": list(shape)}
    assert (device / "labels.txt").read_text().splitlines() == list(names)
    with np.load(device / "samples.npz", allow_pickle=False) as file:
        raw, labels = file["inputs"], file["labels"]
        expected = file["expected:student_int8.tflite"]
    assert raw.shape[1:] == shape
    assert raw.dtype == manifest["normalization"]["raw_dtype"]
    assert set(labels.tolist()) <= set(range(len(names)))
    norm = manifest["normalization"]
    runner = Runner(device / "student_int8.tflite", "reference")
    inputs = runner.input.to_stored(normalize(raw, norm["mean"], norm["std"]))
    np.testing.assert_array_equal(runner.predict_raw(inputs), expected)


def test_cifar10_in_kerass_own_archive_format(tmp_path, monkeypatch):
    images, _ = write_cifar10(tmp_path / "web" / "cifar-10-batches-py", per_batch=20)
    archive = tmp_path / "web" / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "web" / "cifar-10-batches-py", "cifar-10-batches-py")
    download = dataclasses.replace(
        cifar.CIFAR10.download,
        origin=f"file://{archive}",
        sha256=hashlib.sha256(archive.read_bytes()).hexdigest(),
    )
    small = dataclasses.replace(cifar.CIFAR10, download=download)
    monkeypatch.setitem(SOURCES, "cifar10", partial(cifar.open_cifar, small))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    run = run_line(tmp_path, {"source": "cifar10"})
    names = [f"class {number}" for number in range(10)]
    check_line(run, (32, 32, 3), names, tested=20)
    with np.load(run / "bundle" / "device" / "samples.npz", allow_pickle=False) as file:
        bundled = file["inputs"]
    known = {image.tobytes() for image in images[:100]}  # of the training batches, none of the test
    assert all(image.tobytes() in known for image in bundled)


def test_colour_pictures_of_different_sizes(tmp_path, capfd):
    sizes = [(20, 16), (24, 18), (17, 31)]
    names = ["ant", "bee", "cat"]
    photos = write_pictures(tmp_path / "photos", names, 30, "RGB", sizes, ("png", "jpg", "jpeg"))
    run = run_line(tmp_path, {"source": "folder", "path": str(photos)})
    check_line(run, (18, 20, 3), names, tested=18)  # the median of heights and of widths
    capfd.readouterr()
    words = ["predict", str(run), str(photos / "bee" / "1.jpg"), str(photos / "cat" / "2.jpeg")]
    assert main([*words, "--json"]) == 0
    answers = json.loads(capfd.readouterr().out)
    assert [answer["image"] for answer in answers] == words[2:]
    assert all(answer["label"] in names for answer in answers)


def test_two_classes_of_one_channel(tmp_path):
    data = write_npz(tmp_path / "two.npz", 40, 2, (8, 8))
    run = run_line(tmp_path, {"source": "npz", "path": str(data)})
    check_line(run, (8, 8, 1), ["0", "1"], tested=16)


def test_two_hundred_classes(tmp_path):
    data = write_npz(tmp_path / "many.npz", 8, 200, (8, 8, 1))
    run = run_line(tmp_path, {"source": "npz", "path": str(data), "calibration_samples": 200})
    check_line(run, (8, 8, 1), [str(number) for number in range(200)], tested=320)


def test_grey_pictures_have_one_channel(tmp_path):
    photos = write_pictures(tmp_path / "grey", ["no", "yes"], 30, "L", [(12, 10)], ("png", "jpg"))
    run = run_line(tmp_path, {"source": "folder", "path": str(photos)})
    check_line(run, (10, 12, 1), ["no", "yes"], tested=12)


def test_transparent_pictures_have_four_channels(tmp_path):
    photos = write_pictures(tmp_path / "rgba", ["a", "b", "c"], 20, "RGBA", [(10, 10)], ("png",))
    run = run_line(tmp_path, {"source": "folder", "path": str(photos)})
    check_line(run, (10, 10, 4), ["a", "b", "c"], tested=12)


def test_speech_features_with_ds_cnn(tmp_path):
    data = write_npz(tmp_path / "speech.npz", 20, 4, (49, 10, 1), np.float32)
    speech = {"source": "npz", "path": str(data), "normalization": "standard"}
    run = run_line(tmp_path, speech, **SPEECH)
    check_line(run, (49, 10, 1), ["0", "1", "2", "3"], tested=16)
    operators = inspect(run / "bundle" / "device" / "student_int8.tflite").operator_counts
    assert operators["DEPTHWISE_CONV_2D"] == 2
