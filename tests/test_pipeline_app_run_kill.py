"""A run that was killed goes on and ends as if nothing had happened, to the last bit."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import kill_driver
import numpy as np
import pytest

DRIVER = Path(__file__).with_name("kill_driver.py")
# How often each moment comes in an undisturbed run of the small settings, with a cache of its own.
OCCURRENCES = {"step": 21, "checkpoint": 10, "cache": 4, "conversion": 8, "record": 9, "rename": 9}
KILLS = 20


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


def kill(settings, run, moment, count):
    """Starts or goes on with a run; whether it was killed, or else came to its end."""
    done = launch(settings, run, str(DRIVER), moment, str(count))
    assert done.returncode in (-signal.SIGKILL, kill_driver.NEVER), done.stderr
    return done.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def forked(tmp_path_factory):
    """As `kill`, in processes that need not load TensorFlow; without a moment, a run to its end."""
    said = tmp_path_factory.mktemp("driver") / "stderr.txt"
    with (
        said.open("w") as errors,
        subprocess.Popen(
            [sys.executable, DRIVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # its threads would be lost to forks
        ) as driver,
    ):

        def ask(settings, run, moment="", count=0):
            line = [moment, count, "run", str(run), "--config", str(settings)]
            print(json.dumps(line), file=driver.stdin, flush=True)
            status = int(driver.stdout.readline() or 1)
            expected = (-signal.SIGKILL, kill_driver.NEVER) if moment else (0,)
            assert status in expected, said.read_text()[-4000:]
            return status == -signal.SIGKILL

        yield ask
        driver.stdin.close()
        assert driver.wait(60) == 0


def kill_again_and_again(forked, settings, run, draw, most):
    """Kills a fresh run, and what goes on with it, until it is complete; how often it died.

    Args:
        forked: kills, or runs to the end.
        settings: the run's file.
        run: its folder.
        draw: random.Random, which says when.
        most: kills after which it may go on undisturbed.
    """
    for killed in range(most):
        moment = draw.choice(list(OCCURRENCES))
        # A process that goes on has less before it than the first.
        last = OCCURRENCES[moment] if killed == 0 else max(OCCURRENCES[moment] // 3, 1)
        if not forked(settings, run, moment, draw.randint(1, last)):
            assert killed, f"{moment} does not come as often as OCCURRENCES says"
            return killed
    forked(settings, run)
    return most


LEFT = {".partial", ".old", ".tmp"}


def assert_as_if_undisturbed(run, expected):
    left = [path for path in run.rglob("*") if LEFT.intersection(path.suffixes)]
    assert not left
    assert_same_outcome(expected, run)


@pytest.mark.processes
def test_three_kills_change_nothing_and_a_complete_training_is_not_repeated(finished_run, tmp_path):
    settings, expected = finished_run
    run = tmp_path / "run"
    # Of a training in the first epochs; at its end; of the next training.
    assert kill(settings, run, "step", 5)
    assert kill(settings, run, "record", 1)  # the samples' is there: the teacher's
    partial = run / "teacher" / "0.partial"
    assert (partial / "network.keras").exists()
    trained = (partial / "history.csv").stat().st_mtime_ns  # written anew after each epoch
    assert kill(settings, run, "checkpoint", 3)
    done = launch(settings, run, "-m", "hintlite")
    assert done.returncode == 0, done.stderr
    assert (run / "teacher" / "0" / "history.csv").stat().st_mtime_ns == trained
    names = [{path.name for path in (each / "teacher" / "0").iterdir()} for each in (run, expected)]
    assert names[0] == names[1]
    assert_as_if_undisturbed(run, expected)


@pytest.mark.slow(
    modules=[
        "hintlite.files",
        "hintlite.pipeline.app.run.folder",
        "hintlite.pipeline.app.run.stages",
        "hintlite.pipeline.cache",
        "hintlite.pipeline.training",
    ]
)
@pytest.mark.timeout(7200)
def test_twenty_kills_change_nothing(finished_run, forked, tmp_path, kill_seed):
    """One seed, or as many as `pytest --kill-seeds 10` names."""
    settings, expected = finished_run
    draw, killed, number = random.Random(kill_seed), 0, 0
    while killed < KILLS:
        # A folder of its own: neighbours share the teacher's cached outputs.
        run = tmp_path / str(number) / "run"
        killed += kill_again_and_again(forked, settings, run, draw, KILLS - killed)
        assert_as_if_undisturbed(run, expected)
        number += 1
    assert killed == KILLS


@pytest.mark.parametrize("moment", kill_driver.MOMENTS)
def test_the_driver_finds_what_it_patches(moment):
    owner, name = kill_driver.patched(moment)
    assert callable(getattr(owner, name))


def test_the_driver_fails_where_there_is_nothing_to_patch(monkeypatch, capsys):
    gone = ("hintlite.deploy.convert.convert", "no_such_function", kill_driver.after)
    monkeypatch.setitem(kill_driver.MOMENTS, "conversion", gone)
    assert kill_driver.run("conversion", 1, ["--help"]) == kill_driver.NEVER
    assert "nothing to patch for conversion" in capsys.readouterr().err


def test_the_driver_fails_where_its_moment_never_came():
    words = [sys.executable, str(DRIVER), "conversion", "1", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == kill_driver.NEVER
    assert "conversion 1 never came" in done.stderr


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
