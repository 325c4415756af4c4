"""Starting real tunings on a tiny data set whose test part nobody can read."""

import importlib
import importlib.util
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml

from hintlite.pipeline.app.experiments.queue.progress import read_progress

SETTINGS = {
    "deterministic": True,
    "accept_chance": True,
    "data": {"source": "npz", "calibration_samples": 12, "validation_fraction": 0.25},
    "teacher": {"widths": [4, 6], "depths": [1, 1]},
    "teacher_training": {"epochs": 2, "batch_size": 16},
    "student": {"widths": [3, 4], "depths": [1, 1], "times_fewer": None},
    "training": {"epochs": 6, "batch_size": 16, "learning_rate": 0.02},
    "benchmark": {"window_s": 0.02, "warmup_s": 0.02, "min_runs": 5},
    "quantize": {"min_agreement": 0.0, "max_accuracy_drop": 100},
}
# Of a rate of 1e-7 nothing is learned, and a temperature of 0 is refused.
SEARCH = {
    "training.learning_rate": {"choices": [0.02, 1e-7]},
    "student.depths": {"choices": [[1, 1], [1, 2]]},
    "kd.temperature": {"choices": [3, 9, 0]},
}


def require_optuna():
    """The library; a module whose tests need it is skipped without it, but not in CI."""
    if importlib.util.find_spec("optuna") is None and "CI" not in os.environ:
        reason = "needs optuna: python -m pip install 'optuna>=5,<6'"
        pytest.skip(reason, allow_module_level=True)
    return importlib.import_module("optuna")


def write_samples(path, test_type=np.float32):
    """Images whose brightness tells their class; test images must be bytes to be of use."""
    rng = np.random.default_rng(0)
    labels = np.arange(96) % 3
    images = rng.integers(0, 60, (96, 8, 8, 1)) + labels.reshape(-1, 1, 1, 1) * 60
    test = np.repeat(np.arange(3) * 90, 64).reshape(3, 8, 8, 1)
    np.savez(
        path,
        x=images.astype(np.uint8),
        y=labels,
        x_test=test.astype(test_type),
        y_test=np.arange(3),
    )


def write_tuning(folder, **fields):
    """A tuning's file and its samples."""
    write_samples(folder / "samples.npz")
    base = SETTINGS | {"data": SETTINGS["data"] | {"path": str(folder / "samples.npz")}}
    content = {"base": base, "arm": "kd", "trials": 6, "search": SEARCH}
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(content | fields, sort_keys=False))
    return path


def start(*words):
    """A command of hintlite, running."""
    return subprocess.Popen(
        [sys.executable, "-m", "hintlite", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs, and so their children, do not hear Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )


def finish(*words, timeout_s=550):
    """The command's exit code, output and errors."""
    process = start(*words)
    out, error = process.communicate(timeout=timeout_s)
    return process.returncode, out, error


def wait_for_trial(process, folder, after=-1):
    """Waits until a trial is in the middle of its training; returns its folder and progress."""
    deadline = time.monotonic() + 550
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        for place in sorted((folder / "work").glob("[0-9]*")):
            progress = read_progress(place)
            if progress and int(place.name) > after and _trains(progress):
                return place, progress
        time.sleep(0.05)
    raise AssertionError(f"no trial has begun below {folder}")


def _trains(progress):
    """Whether it is between the first and the last epoch of a student."""
    student = progress.title.startswith("student") and "epoch" in progress.note
    return student and 0 < progress.completed < progress.total
