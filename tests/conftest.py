"""Settings that every test shares."""

import fcntl
import os
import signal
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import pytest

pytest_plugins = ["last_passes"]

# A shell that runs the tests in the background hands down an ignored Ctrl-C, which every command
# under test would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

SMALL_RUN = """
deterministic: true
accept_chance: true
arms: [hint+kd]
data: {source: digits, limit: 200, calibration_samples: 30, augmentation: {flip: true}}
teacher: {widths: [4, 6], depths: [1, 1], dropout: 0.2}
teacher_training: {epochs: 2, batch_size: 64}
student: {widths: [3, 4], depths: [1, 2], times_fewer: null, dropout: 0.1}
training: {epochs: 3, batch_size: 64}
hint: {epochs: 2, keep_weight: 0.01}
quantize: {min_agreement: 0.0, max_accuracy_drop: 100}
benchmark: {window_s: 0.02, warmup_s: 0.02, min_runs: 5}
"""


def pytest_addoption(parser):
    parser.addoption(
        "--kill-seeds", type=int, default=1, help="draws of the slow test that kills a run"
    )


def pytest_generate_tests(metafunc):
    if "kill_seed" in metafunc.fixturenames:
        metafunc.parametrize("kill_seed", range(metafunc.config.getoption("--kill-seeds")))


@pytest.fixture(autouse=True)
def _seeded():
    """A seed for TensorFlow: a command that ran in this process may have made it deterministic."""
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].random.set_seed(0)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """The settings file and the folder of a small run that the real command has completed.

    Processes that share the tests share the run too: the first makes it, the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    place.mkdir(exist_ok=True)
    settings, run, said = place / "settings.yaml", place / "run", place / "stdout.txt"
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            settings.write_text(SMALL_RUN)
            command = [sys.executable, "-m", "hintlite", "run", str(run), "--config", str(settings)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
            assert done.returncode == 0, done.stderr
            (place / "stderr.txt").write_text(done.stderr)
            said.write_text(done.stdout)
    return settings, run


@pytest.fixture
def tiny_pair():
    """A teacher and a student of the same stages and unequal channels, for 8x8 images."""
    import keras

    from hintlite.models.settings import NetworkConfig
    from hintlite.models.student import build_student
    from hintlite.models.teacher import build_teacher

    keras.utils.set_random_seed(3)
    teacher = build_teacher(NetworkConfig(widths=(6, 8), depths=(1, 1)), (8, 8, 1), 4)
    student = build_student(NetworkConfig(widths=(3, 4), depths=(2, 2)), (8, 8, 1), 4)
    return teacher, student
