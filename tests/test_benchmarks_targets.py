"""Targets: what a request and a result refuse, and the host's process from start to end."""

import dataclasses
import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tiny_bundle import COUNT, MODEL, SCRIPT, TINY, sha256, write_bundle

from hintlite.benchmarks import bench_tflite
from hintlite.benchmarks.targets import bench_json
from hintlite.benchmarks.targets.base import (
    KERNELS,
    LATENCIES,
    BenchmarkError,
    BenchmarkRequest,
    BenchmarkResult,
)
from hintlite.benchmarks.targets.host import HostTarget

FAST = BenchmarkRequest(warmup_s=0.02, window_s=0.05, min_runs=3, timeout_s=60)
SHA = "0123456789abcdef" * 4
DOUBTFUL = {"state": "doubtful", "reasons": [{"code": "busy"}]}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("made") / "a bundle's folder")


def result(**changes) -> BenchmarkResult:
    fields = {
        "kind": "measured",
        "target": "host",
        "model_sha256": SHA,
        "verdict": {"state": "valid", "reasons": []},
        "latency_us": {"p50": 1.5, "p99": 2.0},
        "memory_bytes": 4096,
        "accuracy": {"correct": 3, "total": 4},
        "raw": {"any": [1, None]},
    }
    return BenchmarkResult(**{**fields, **changes})


# ---------------------------------------------------------------------- request and result


@pytest.mark.parametrize(
    "wrong",
    [
        {"kernels": "fast"},
        {"threads": 0},
        {"threads": 1.5},
        {"windows": 0},
        {"min_runs": -1},
        {"window_s": float("nan")},
        {"warmup_s": -0.1},
        {"timeout_s": 0},
    ],
)
def test_requests_that_measure_nothing_are_refused(wrong):
    with pytest.raises(BenchmarkError, match=next(iter(wrong))):
        BenchmarkRequest(**wrong)


def test_a_result_survives_json():
    first = result()
    assert BenchmarkResult.from_dict(json.loads(json.dumps(first.to_dict()))) == first
    empty = result(latency_us=None, memory_bytes=None, accuracy=None)
    assert BenchmarkResult.from_dict(json.loads(json.dumps(empty.to_dict()))) == empty


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"kind": "guessed"}, "kind"),
        ({"model_sha256": SHA[1:]}, "model_sha256"),
        ({"model_sha256": SHA.upper()}, "model_sha256"),
        ({"verdict": "valid"}, "verdict"),
        ({"verdict": {"state": "fine", "reasons": []}}, "verdict"),
        ({"verdict": {"state": "doubtful", "reasons": []}}, "verdict"),
        ({"verdict": {**DOUBTFUL, "state": "valid"}}, "verdict"),
        ({"latency_us": {"p42": 1.0}}, "latency_us"),
        ({"latency_us": {"p50": float("inf")}}, "latency_us"),
        ({"latency_us": {"p50": None}}, "latency_us"),
        ({"kind": "simulated"}, "simulator's time"),
        ({"memory_bytes": 0}, "memory_bytes"),
        ({"memory_bytes": "1"}, "wrong type"),
        ({"accuracy": {"correct": 5, "total": 4}}, "accuracy"),
        ({"accuracy": {"correct": 0, "total": 0}}, "accuracy"),
        ({"accuracy": [3, 4]}, "wrong type"),
    ],
)
def test_impossible_results_are_refused(wrong, text):
    stored = {**result().to_dict(), **wrong}
    with pytest.raises(BenchmarkError, match=text):
        BenchmarkResult.from_dict(stored)


def test_missing_and_foreign_fields_are_refused():
    stored = result().to_dict()
    with pytest.raises(BenchmarkError, match=r"\['speed'\]"):
        BenchmarkResult.from_dict({**stored, "speed": 1})
    del stored["target"]
    with pytest.raises(BenchmarkError, match=r"\['target'\]"):
        BenchmarkResult.from_dict(stored)


def test_a_simulation_has_no_latency_of_its_own():
    assert result(kind="simulated", latency_us=None).latency_us is None
    assert result(kind="estimated").latency_us == {"p50": 1.5, "p99": 2.0}


def test_script_and_targets_speak_of_the_same_things():
    assert set(KERNELS) == set(bench_tflite.KERNELS)
    assert bench_json.SCHEMA == bench_tflite.SCHEMA
    assert (*bench_json.COLD, *bench_json.STEADY) == LATENCIES


# ----------------------------------------------------------------------- the host, for real


def test_the_host_measures_a_bundle(bundle):
    lines = []
    target = HostTarget(lines.append)
    got = target.run(target.prepare(bundle), FAST)
    assert (got.kind, got.target, got.model_sha256) == ("measured", "host", sha256(TINY))
    assert set(got.latency_us) == set(LATENCIES)
    steady = got.raw["latency"]["steady"]
    assert got.latency_us["p99"] == steady["p99_us"]
    assert got.latency_us["import"] == got.raw["latency"]["import_us"]
    assert got.memory_bytes == got.raw["memory"]["peak_rss_bytes"]
    assert got.accuracy == {"correct": COUNT - 1, "total": COUNT}
    assert [len(steady["windows"]), got.raw["settings"]["min_runs"]] == [5, 3]
    assert BenchmarkResult.from_dict(json.loads(json.dumps(got.to_dict()))) == got
    assert any(re.match(r"window 5 of 5: [0-9.]+ us", line) for line in lines)
    assert not [line for line in lines if line.startswith("INFO")]


def test_the_host_measures_a_file_with_other_settings(tmp_path):
    path = Path(shutil.copy(TINY, tmp_path / "-odd name.tflite"))
    request = BenchmarkRequest(None, 2, "reference", 0.0, 0.01, 2, 1, 60.0)
    got = HostTarget().run(path, request)
    assert got.raw["settings"] == {
        "threads": 2,
        "kernels": "reference",
        "warmup_s": 0.0,
        "window_s": 0.01,
        "windows": 2,
        "min_runs": 1,
        "input": "samples",
    }
    assert (got.raw["model"]["file"], got.accuracy) == ("-odd name.tflite", None)


def test_a_changed_bundle_is_an_answer_and_invalid(bundle, tmp_path):
    spoilt = Path(shutil.copytree(bundle, tmp_path / "spoilt"))
    (spoilt / MODEL).write_bytes(TINY.read_bytes() + b"\0")
    got = HostTarget().run(spoilt, FAST)
    assert got.verdict["state"] == "invalid"
    assert (got.latency_us, got.memory_bytes) == (None, None)
    assert got.model_sha256 == sha256(spoilt / MODEL)


def test_failures_name_the_scripts_last_line(bundle, tmp_path):
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(TINY.read_bytes()[:1000])
    with pytest.raises(BenchmarkError, match=r"exit code 1.*damaged or truncated"):
        HostTarget().run(cut, FAST)
    with pytest.raises(BenchmarkError, match=r"exit code 2.*no model other"):
        HostTarget().run(bundle, BenchmarkRequest(model="other.tflite"))
    with pytest.raises(BenchmarkError, match="single model"):
        HostTarget().run(TINY, BenchmarkRequest(model="other.tflite"))


def test_what_is_no_bundle_is_refused_before_anything_runs(tmp_path):
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(BenchmarkError, match="expected a bundle's folder"):
            HostTarget().prepare(path)


def test_a_missing_runtime_is_named(bundle, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BenchmarkError, match="pip install ai-edge-litert"):
        HostTarget().prepare(bundle)


# ------------------------------------------------------------- answers that are none, endings


def stand_in(folder: Path, body: str) -> HostTarget:
    """The host with another script, which finds its nonce in `nonce`."""
    script = folder / "script.py"
    script.write_text(
        "import json, os, subprocess, sys, time\n"
        "nonce = sys.argv[sys.argv.index('--nonce') + 1]\n" + body
    )
    return HostTarget(script=script)


def answer(**changes) -> dict:
    report = {
        "schema": "hintlite-bench/1",
        "nonce": "NONCE",
        "model": {"file": TINY.name, "sha256": sha256(TINY)},
        "verdict": DOUBTFUL,
        "latency": None,
        "machine": {"emulator": None},
        "memory": None,
        "accuracy": None,
    }
    return {**report, **changes}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (json.dumps(answer(nonce="another")), "another run"),
        (json.dumps(answer(model={"file": TINY.name, "sha256": SHA})), "another run"),
        (json.dumps(answer(schema="hintlite-bench/2")), "of the form hintlite-bench/1"),
        (json.dumps(answer(latency={"import_us": 1.0})), "lacks a field"),
        (json.dumps(answer(verdict=None)), "verdict"),
        (json.dumps(answer())[:-20], "cut off"),
        ("[1]", "of the form"),
        ("", "cut off"),
    ],
)
def test_answers_to_something_else_are_refused(text, error, tmp_path):
    target = stand_in(tmp_path, f"print({text!r}.replace('NONCE', nonce))")
    with pytest.raises(BenchmarkError, match=error):
        target.run(TINY, FAST)


def test_the_stand_in_itself_is_believed(tmp_path):
    text = json.dumps(answer())
    target = stand_in(tmp_path, f"print({text!r}.replace('NONCE', nonce))")
    assert target.run(TINY, FAST).verdict == DOUBTFUL


def test_a_report_that_names_an_emulator_is_simulated(tmp_path):
    memory = {"peak_rss_bytes": 1000}
    for emulator, kind, size in ((None, "measured", 1000), ("qemu-aarch64", "simulated", None)):
        text = json.dumps(answer(machine={"emulator": emulator}, memory=memory))
        target = stand_in(tmp_path, f"print({text!r}.replace('NONCE', nonce))")
        result = target.run(TINY, FAST)
        assert (result.kind, result.memory_bytes) == (kind, size)


def test_a_sweep_is_asked_for(tmp_path):
    body = f"answer = {answer()!r}\nanswer.update(nonce=nonce, swept='--sweep' in sys.argv)\n"
    target = stand_in(tmp_path, body + "print(json.dumps(answer))")
    assert target.run(TINY, FAST).raw["swept"] is False
    assert target.run(TINY, dataclasses.replace(FAST, sweep=True)).raw["swept"] is True


@pytest.mark.parametrize("name", ["../samples.npz", "/etc/hostname", "none.tflite", None])
def test_a_model_outside_the_bundle_is_refused(name, bundle, tmp_path):
    report = json.dumps(answer(model={"file": name, "sha256": SHA}))
    target = stand_in(tmp_path, f"print({report!r}.replace('NONCE', nonce))")
    with pytest.raises(BenchmarkError, match="no file of the bundle"):
        target.run(bundle, FAST)


FAMILY = """
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
print('bench_tflite:', os.getpid(), child.pid, file=sys.stderr, flush=True)
time.sleep(600)
"""


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody waits for any more may be a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def all_gone(pids: list[int]) -> bool:
    end = time.monotonic() + 20
    while not all(map(gone, pids)) and time.monotonic() < end:
        time.sleep(0.01)
    return all(map(gone, pids))


def test_too_long_a_run_is_ended_with_all_its_processes(tmp_path):
    lines = []
    target = stand_in(tmp_path, FAMILY)
    target._progress = lines.append
    with pytest.raises(BenchmarkError, match=r"longer than 5 s"):
        target.run(TINY, BenchmarkRequest(timeout_s=5))
    assert all_gone([int(word) for word in lines[0].split()])


def test_an_exception_in_between_ends_all_processes(tmp_path):
    pids = []

    def stop(line):
        pids.extend(map(int, line.split()))
        raise KeyboardInterrupt

    target = stand_in(tmp_path, FAMILY)
    target._progress = stop
    with pytest.raises(KeyboardInterrupt):
        target.run(TINY, FAST)
    assert len(pids) == 2
    assert all_gone(pids)


def test_ctrl_c_ends_a_real_benchmark(tmp_path):
    code = (
        "import sys; from pathlib import Path; from hintlite.benchmarks.targets.base import *; "
        "from hintlite.benchmarks.targets.host import HostTarget; "
        "say = lambda line: print(line, flush=True); "
        f"HostTarget(say).run(Path({str(TINY)!r}), BenchmarkRequest(window_s=60))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=SCRIPT.parents[1], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        assert "importing" in process.stdout.readline()
        pids = children(process.pid)
        pids += [grandchild for pid in pids for grandchild in children(pid)]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=300)
    finally:
        watchdog.cancel()
        watchdog.join()  # a later test counts the threads
        process.kill()
    assert "KeyboardInterrupt" in err
    assert len(pids) == 2  # the script and the process that it measures in
    assert all_gone(pids)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_nothing_is_left_open_or_behind(bundle):
    gc.collect()  # what other tests left is not to be closed in between
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    HostTarget().run(bundle, FAST)
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before
    assert sorted(path.name for path in bundle.iterdir()) == [
        "bench_tflite.py",
        "manifest.json",
        "samples.npz",
        MODEL,
    ]
