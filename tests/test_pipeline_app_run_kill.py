"""A run that was killed goes on and ends as if nothing had happened, to the last bit."""

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

DRIVER = Path(__file__).with_name("kill_driver.py")
# How often each moment comes in an finished_run run of these settings.
OCCURRENCES = {"step": 21, "checkpoint": 10, "cache": 4, "conversion": 4, "record": 8, "rename": 8}


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


def kill_and_finish(finished_run, run, moments):
    settings, expected = finished_run
    killed = 0
    for moment, count in moments:
        done = launch(settings, run, str(DRIVER), moment, str(count))
        if done.returncode == -signal.SIGKILL:
            killed += 1
        else:
            assert done.returncode == 0, done.stderr  # this moment had passed already
    done = launch(settings, run, "-m", "hintlite")
    assert done.returncode == 0, done.stderr
    left = [path for path in run.rglob("*") if path.suffix in (".partial", ".old", ".tmp")]
    assert not left
    assert_same_outcome(expected, run)
    return killed


def test_three_kills_change_nothing(finished_run, tmp_path):
    # In the first third of the line, so that each of the three finds something left to interrupt.
    moments = [("step", 5), ("checkpoint", 3), ("rename", 3)]
    assert kill_and_finish(finished_run, tmp_path / "run", moments) == 3


def test_a_kill_at_the_end_of_a_training_repeats_none_of_it(finished_run, tmp_path):
    settings, expected = finished_run
    run = tmp_path / "run"
    done = launch(settings, run, str(DRIVER), "record", "2")  # the samples', then the teacher's
    assert done.returncode == -signal.SIGKILL, done.stderr
    partial = run / "teacher" / "0.partial"
    assert (partial / "network.keras").exists()
    trained = (partial / "history.csv").stat().st_mtime_ns  # written anew after each epoch
    done = launch(settings, run, "-m", "hintlite")
    assert done.returncode == 0, done.stderr
    assert (run / "teacher" / "0" / "history.csv").stat().st_mtime_ns == trained
    names = [{path.name for path in (each / "teacher" / "0").iterdir()} for each in (run, expected)]
    assert names[0] == names[1]
    assert_same_outcome(expected, run)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_twenty_kills_change_nothing(finished_run, tmp_path):
    draw = random.Random(20)
    killed = 0
    for seed in range(20):
        moment = draw.choice(list(OCCURRENCES))
        count = draw.randint(1, OCCURRENCES[moment])
        killed += kill_and_finish(finished_run, tmp_path / f"run{seed}", [(moment, count)])
    assert killed == 20


def test_one_changed_bit_is_noticed(finished_run, tmp_path):
    _, run = finished_run
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    assert_same_outcome(run, copy)
    path = next(copy.rglob("student_int8.tflite"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(AssertionError, match="student_int8"):
        assert_same_outcome(run, copy)
