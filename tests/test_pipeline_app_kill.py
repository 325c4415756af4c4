"""A run that was killed goes on and ends as if nothing had happened, to the last bit."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

DRIVER = Path(__file__).with_name("kill_driver.py")
SETTINGS = """
deterministic: true
arms: [hint+kd]
data: {source: digits, limit: 200, calibration_samples: 30, augmentation: {shift: 1}}
teacher: {widths: [4, 6], depths: [1, 1], dropout: 0.2}
teacher_training: {epochs: 2, batch_size: 64}
student: {widths: [3, 4], depths: [1, 2], times_fewer: null, dropout: 0.1}
training: {epochs: 3, batch_size: 64}
hint: {epochs: 2, keep_weight: 0.01}
quantize: {min_agreement: 0.0, max_accuracy_drop: 100}
benchmark: {window_s: 0.02, warmup_s: 0.02, min_runs: 5}
"""
# How often each moment comes in an undisturbed run of these settings.
OCCURRENCES = {"step": 21, "checkpoint": 10, "conversion": 4, "rename": 8}


def launch(settings, run, *prefix):
    command = [sys.executable, *prefix, "run", str(run), "--config", str(settings)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


def outcome(run):
    """Weights and .tflite bytes of a complete run."""
    import keras

    files = {}
    for path in sorted(run.rglob("*")):
        name = path.relative_to(run).as_posix()
        if path.suffix == ".keras":
            model = keras.saving.load_model(path, compile=False)
            files |= {f"{name}:{i}": weight for i, weight in enumerate(model.get_weights())}
        elif path.suffix == ".tflite":
            files[name] = path.read_bytes()
    return files


def assert_same_outcome(first, second):
    first, second = outcome(first), outcome(second)
    assert len([name for name in first if name.endswith(".tflite")]) == 5
    assert first.keys() == second.keys()
    for name, content in first.items():
        if isinstance(content, bytes):
            assert content == second[name], name
        else:
            np.testing.assert_array_equal(content, second[name], err_msg=name)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    place = tmp_path_factory.mktemp("undisturbed")
    settings = place / "settings.yaml"
    settings.write_text(SETTINGS)
    done = launch(settings, place / "run", "-m", "pipeline")
    assert done.returncode == 0, done.stderr
    return settings, place / "run"


def kill_and_finish(undisturbed, run, moments):
    settings, expected = undisturbed
    killed = 0
    for moment, count in moments:
        done = launch(settings, run, str(DRIVER), moment, str(count))
        if done.returncode == -signal.SIGKILL:
            killed += 1
        else:
            assert done.returncode == 0, done.stderr  # this moment had passed already
    done = launch(settings, run, "-m", "pipeline")
    assert done.returncode == 0, done.stderr
    assert not list(run.rglob("*.partial"))
    assert not list(run.rglob("*.old"))
    assert_same_outcome(expected, run)
    return killed


def test_three_kills_change_nothing(undisturbed, tmp_path):
    # In the first third of the line, so that each of the three finds something left to interrupt.
    moments = [("step", 5), ("checkpoint", 3), ("rename", 3)]
    assert kill_and_finish(undisturbed, tmp_path / "run", moments) == 3


@pytest.mark.slow
def test_twenty_kills_change_nothing(undisturbed, tmp_path):
    draw = random.Random(20)
    killed = 0
    for seed in range(20):
        moment = draw.choice(list(OCCURRENCES))
        count = draw.randint(1, OCCURRENCES[moment])
        killed += kill_and_finish(undisturbed, tmp_path / f"run{seed}", [(moment, count)])
    assert killed == 20


def test_another_seed_is_noticed(undisturbed, tmp_path):
    settings, expected = undisturbed
    other = tmp_path / "settings.yaml"
    other.write_text(settings.read_text() + "seed: 1\n")
    assert launch(other, tmp_path / "run", "-m", "pipeline").returncode == 0
    with pytest.raises(AssertionError):
        assert_same_outcome(expected, tmp_path / "run")
