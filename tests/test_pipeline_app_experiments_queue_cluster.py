"""A study on a real Ray cluster of this machine, one of whose workers is killed."""

import importlib.util
import os
import signal
import sys

import pytest
from study_command import EPOCHS, records, start, wait_for_training, write_study

from hintlite.pipeline.app.experiments.queue.cluster import Cluster
from hintlite.pipeline.app.run.folder import RunError


@pytest.fixture
def ray():
    """Skips where Ray is not installed, and fails there in CI."""
    if importlib.util.find_spec("ray") is None:
        reason = "Ray is not installed: python -m pip install 'ray>=2.60,<3'"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def test_without_ray_the_cure_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RunError, match=r"-m pip install 'ray>=2.60,<3'"):
        Cluster("auto", None, "none:none")


@pytest.mark.slow(
    modules=["hintlite.pipeline.app.experiments.queue", "hintlite.pipeline.app.experiments.studies"]
)
def test_a_worker_that_is_killed_loses_nothing(ray, tmp_path):
    study, folder = write_study(tmp_path, ["scratch", "kd"], seeds=[0]), tmp_path / "study"
    process = start(study, folder, "--ray", "local", "--jobs", "2")
    killed, progress = wait_for_training(process, folder / "work", "distill")
    os.kill(progress.worker, signal.SIGKILL)
    _, error = process.communicate(timeout=500)
    assert process.returncode == 0, error
    found = {record["id"]: record for record in records(folder).values()}
    assert len(found) == 2
    # Ray did it again by itself, and it went on: every epoch is there once.
    assert found[killed.name]["tries"] == 2
    arm = found[killed.name]["arm"]
    assert found[killed.name]["history"][f"distill/{arm}"]["task"]["epochs"] == EPOCHS
    (other,) = (record for name, record in found.items() if name != killed.name)
    assert other["tries"] == 1
