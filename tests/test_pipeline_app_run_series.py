"""`hintlite run` on series and on a table, from bare arrays to the bundle and the page."""

import json

import numpy as np
import pytest
from in_process import hintlite

from hintlite.deploy.bundle.bundle import check_bundle
from hintlite.deploy.tflite.inspect import inspect

QUICK = (
    *("--arms", "[hint+kd]", "--hint.epochs", "2", "--benchmark.window_s", "0.02"),
    *("--benchmark.warmup_s", "0.02", "--benchmark.min_runs", "5"),
    *("--teacher_training.epochs", "6", "--training.epochs", "6", "--training.batch_size", "32"),
    *("--teacher_training.batch_size", "16", "--teacher_training.learning_rate", "0.01"),
    *("--quantize.max_accuracy_drop", "20"),
    *("--quantize.min_agreement", "0.5", "--student.times_fewer", "null"),
)


def gestures(count=300, steps=32):
    """Swings on one axis, circles on two, taps on the third: each about its own gravity."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(0, 0.15, (count, steps, 3)), rng.integers(0, 3, count)
    angle = np.arange(steps) / steps * 2 * np.pi
    for sample, kind in zip(x, y, strict=True):
        turns, start = rng.uniform(2, 4), rng.uniform(0, 6)
        if kind < 2:
            sample[:, 0] += 1.5 * np.sin(turns * angle + start)
        if kind == 1:
            sample[:, 1] += np.cos(turns * angle + start)
        if kind == 2:
            sample[rng.integers(5, 24) + np.arange(4), 2] += 3
    x[..., 2] = 50 * (x[..., 2] + 1)
    return x.astype(np.float32), y


def metrics(run):
    return json.loads((run / "evaluate" / "metrics.json").read_text())


@pytest.mark.whole
def test_a_series_goes_through_the_line_as_one(tmp_path):
    x, y = gestures()
    names = np.array(["swing", "circle", "tap"])
    np.savez(tmp_path / "imu.npz", x=x, y=y, class_names=names, person=np.arange(300) % 10)
    np.save(tmp_path / "one.npy", x[0])
    run = tmp_path / "run"
    shapes = (
        *("--teacher.family", "tcn", "--teacher.widths", "[8,8]", "--teacher.depths", "[1,1]"),
        *("--student.family", "tcn", "--student.widths", "[6,8]", "--student.depths", "[1,1]"),
    )

    done = hintlite(
        "run", run, "--data", tmp_path / "imu.npz", *shapes, *QUICK,
        "--data.augmentation.jitter", "0.05", "--data.augmentation.time_shift", "2",
        "--data.group", "person", "--training.learning_rate", "0.01",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert metrics(run)["hint+kd:int8"]["accuracy"] > 0.8
    device = run / "bundle" / "device"
    assert check_bundle(device) == []
    manifest = json.loads((device / "manifest.json").read_text())
    assert manifest["task"]["input_shape"] == [32, 3]
    mean, std = (np.array(manifest["normalization"][key]) for key in ("mean", "std"))
    assert abs(mean[2] - 60) < 15 and std[2] > 5 * std[0]  # noqa: PT018 - one thought
    file = inspect(device / "student_int8.tflite")
    assert file.is_full_int8
    assert set(file.operator_counts) == {"RESHAPE", "CONV_2D", "MEAN", "FULLY_CONNECTED"}

    page = (run / "report.html").read_text()
    assert 'id="samples"' in page
    assert "circle. 32 time steps: channel 1 from" in page
    answer = hintlite("predict", run, tmp_path / "one.npy", "--json")
    assert json.loads(answer.stdout)[0]["label"] in names
    assert hintlite("bundle", run, "--mcu", "c", "--name", "imu").returncode == 0
    assert "float" in (run / "mcu" / "c" / "imu" / "imu_input.h").read_text()


@pytest.mark.whole
def test_a_table_goes_through_the_line_as_one(tmp_path):
    rng = np.random.default_rng(6)
    x = (rng.normal(size=(300, 13)) * 10.0 ** rng.uniform(-2, 3, 13)).astype(np.float32)
    z = x / x.std(axis=0)
    np.savez(tmp_path / "sensors.npz", x=x, y=(z[:, 0] + z[:, 2] > 0).astype(int))
    run = tmp_path / "run"
    words = ("--data", tmp_path / "sensors.npz", *QUICK)

    asked = hintlite("run", run, *words)
    assert asked.returncode == 2
    assert "say data.kind table or data.kind series" in asked.stderr

    done = hintlite(
        "run", run, *words, "--data.kind", "table", "--training.learning_rate", "0.02",
        "--student.widths", "[16,16]", "--student.depths", "[1,1]",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert metrics(run)["hint+kd:int8"]["accuracy"] > 0.7
    assert inspect(run / "bundle" / "device" / "student_int8.tflite").operator_counts == {
        "FULLY_CONNECTED": 3
    }


@pytest.mark.whole
@pytest.mark.parametrize("shape", [(128, 90), (49, 10)])
def test_what_may_be_pictures_or_series_is_asked(tmp_path, shape):
    np.savez(tmp_path / "x.npz", x=np.zeros((40, *shape), np.float32), y=np.arange(40) % 2)
    asked = hintlite("run", tmp_path / "run", "--data", tmp_path / "x.npz")
    assert asked.returncode == 2
    assert "say data.kind images or data.kind series" in asked.stderr
