"""No process of ours takes what lies in the user's working folder for one of our packages."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from hintlite.deploy.interpret.worker import Worker
from hintlite.pipeline.app.experiments.queue.pool import DONE
from hintlite.pipeline.app.experiments.queue.processes import Processes
from hintlite.pipeline.qat.launch import launch

ROOT = Path(__file__).parents[1]
TINY = Path(__file__).parent / "data" / "tiny_int8.tflite"
# What a child sees: where it has our packages from, and which modules of the user's it would find.
SEEN = """
import importlib.util
import json
import hintlite
import hintlite.deploy
import hintlite.models

def seen():
    homes = [package.__file__ for package in (hintlite.deploy, hintlite.models)]
    found = {name: bool(importlib.util.find_spec(name)) for name in ("own_method", "stray")}
    return json.dumps({"what": "seen", "homes": homes, **found})
"""
OURS = {
    "what": "seen",
    "homes": [str(ROOT / name / "__init__.py") for name in ("deploy", "models")],
    "own_method": True,
    "stray": False,
}


@dataclass(frozen=True)
class Job:
    deterministic: bool = False

    def request(self):
        return {}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with packages of our names; the user's own method is on PYTHONPATH."""
    for name in ("deploy", "models", "pipeline"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    (tmp_path / "numpy.py").write_text("open('ran', 'w')\nraise SystemExit(1)\n")
    (tmp_path / "stray.py").write_text("")
    own = tmp_path / "own"
    own.mkdir()
    (own / "own_method.py").write_text("")
    (own / "own_seen.py").write_text(SEEN)
    (own / "own_worker.py").write_text(
        "from own_seen import seen\ndef answer(request, tell):\n    return ['done', seen()]\n"
    )
    (own / "own_job.py").write_text(
        "import json\n"
        "from own_seen import seen\n"
        "def answer(request, tell):\n"
        "    tell(json.loads(seen()))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["own", str(ROOT)]))
    yield tmp_path
    assert not (tmp_path / "ran").exists()


def test_the_interpreter_s_worker_runs_a_model(project):
    with Worker(limit_s=60) as worker:
        (output,) = worker.tensors("litert", TINY.read_bytes(), _inputs(), [_output()])
    assert len(output) == 1


def test_workers_of_studies_find_the_user_s_method_and_nothing_that_lies_about(project):
    pool = Processes(1, "own_worker:answer")
    try:
        pool.start(Job())
        ((_, outcome),) = pool.finished(60)
    finally:
        pool.stop()
    assert outcome.state == DONE, outcome.said
    assert json.loads(outcome.said) == OURS


def test_the_quantizer_s_process_has_our_packages(project):
    said = []
    with pytest.raises(FileNotFoundError):  # it leaves no outcome
        launch("own_job:answer", project, said.append)
    assert said == [OURS]


def _inputs():
    from hintlite.deploy.tflite.flatbuffer import read_model

    graph = read_model(TINY).main
    return [np.zeros((1, *graph.tensors[graph.inputs[0]].shape), np.int8)]


def _output():
    from hintlite.deploy.tflite.flatbuffer import read_model

    return read_model(TINY).main.outputs[0]
