"""Starting real studies on a tiny data set, and interrupting them in the middle of a training."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import yaml

from hintlite.pipeline.app.experiments.queue.progress import read_progress

EPOCHS = 12
SETTINGS = {
    "deterministic": True,
    "accept_chance": True,
    "data": {"source": "npz", "calibration_samples": 12},
    "teacher": {"widths": [4, 6], "depths": [1, 1]},
    "teacher_training": {"epochs": EPOCHS, "batch_size": 16},
    "student": {"widths": [3, 4], "depths": [1, 1], "times_fewer": None},
    "training": {"epochs": EPOCHS, "batch_size": 16},
}


def write_study(folder, arms, **fields):
    """A study's file and its samples: images whose brightness tells their class."""
    rng = np.random.default_rng(0)
    labels = np.arange(96) % 3
    images = rng.integers(0, 60, (96, 8, 8, 1)) + labels.reshape(-1, 1, 1, 1) * 60
    np.savez(folder / "samples.npz", x=images.astype(np.uint8), y=labels)
    base = SETTINGS | {"data": SETTINGS["data"] | {"path": str(folder / "samples.npz")}}
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({"base": base, "arms": arms, **fields}, sort_keys=False))
    return path


def start(study, folder, *words):
    """The command, running."""
    command = [sys.executable, "-m", "hintlite", "study", str(study), "--folder", str(folder)]
    return subprocess.Popen(
        [*command, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs, and so their children, do not hear Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )


def finish(study, folder, *words, timeout_s=500):
    """The command's exit code, output and errors."""
    process = start(study, folder, *words)
    out, error = process.communicate(timeout=timeout_s)
    return process.returncode, out, error


def wait_for_training(process, folder, stage, besides=()):
    """Waits until a run below a folder trains; returns its folder and what it says."""
    deadline = time.monotonic() + 500
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        for place in sorted(folder.glob("*")):
            progress = read_progress(place)
            if progress and place.name not in besides and _trains(progress, stage):
                return place, progress
        time.sleep(0.02)
    raise AssertionError(f"no training has begun below {folder}")


def _trains(progress, stage):
    """Whether it is between the first and the last epoch of a stage."""
    within = 0 < progress.completed < progress.total and "epoch" in progress.note
    return within and stage in progress.wall_s


def records(folder, kind="student"):
    """Path -> record of each finished run."""
    found = {path: json.loads(path.read_text()) for path in (folder / "runs").glob("*.json")}
    return {path: record for path, record in found.items() if record["kind"] == kind}
