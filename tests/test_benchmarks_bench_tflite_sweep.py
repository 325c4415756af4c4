"""bench_tflite.py: other threads, kernels and input, each in a fresh process; poor surroundings."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys

import pytest
from json_schema import faults
from tiny_bundle import COUNT, JSON, SCRIPT, TINY, run, write_bundle

from hintlite.benchmarks import bench_tflite as bench

SCHEMA = json.loads(SCRIPT.with_suffix(".schema.json").read_text())
SHORT = [*JSON, "--window-s", "0.01", "--warmup-s", "0.01", "--min-runs", "2", "--windows", "2"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("made") / "bundle")


@pytest.fixture(scope="module")
def swept(bundle):
    process = run(*SHORT, "--sweep", "--nonce", "n", cwd=bundle)
    assert process.returncode == 0, process.stderr
    return process, json.loads(process.stdout)


def test_a_sweep_keeps_to_the_schema(swept):
    process, report = swept
    assert list(faults(report, SCHEMA, SCHEMA)) == []
    assert report["nonce"] == "n"
    assert report["exactness"]["bit_exact"] is True
    assert "sweep 7 of 7: 1 threads, xnnpack, input one" in process.stderr


def test_threads_and_kernels_are_swept(swept):
    rows = swept[1]["sweep"]
    settings = [(row["kernels"], row["threads"], row["input"]) for row in rows]
    assert settings == [
        *[("xnnpack", threads, "samples") for threads in (1, 2, 4)],
        *[("builtin", threads, "samples") for threads in (1, 2, 4)],
        ("xnnpack", 1, "one"),
    ]
    assert [row["delegate_applied"] for row in rows] == [True] * 3 + [False] * 3 + [True]
    assert all(row["error"] is None and row["steady"]["runs"] >= 4 for row in rows)
    assert all(row["accuracy"] == {"correct": COUNT - 1, "total": COUNT} for row in rows)
    assert all("short" in row["reasons"] for row in rows)


def test_each_setting_starts_cold(swept):
    """Importing numpy and the runtime takes a while: an earlier setting has left nothing loaded."""
    _, report = swept
    cold = ("import_us", "load_us", "allocate_us", "first_us")
    assert sum(report["latency"][name] for name in cold) > 10_000
    assert all(row["cold_start_us"] > 10_000 for row in report["sweep"])
    assert all(row["peak_rss_bytes"] > 2**20 for row in report["sweep"])


def test_a_setting_that_fails_does_not_end_the_sweep(bundle):
    """In a process of its own: a child of one that has run models already may wait for threads."""
    code = (
        "import os, signal, sys; from hintlite.benchmarks import bench_tflite as bench\n"
        "measure = bench.measure\n"
        "def crashes_without_xnnpack(options, *rest):\n"
        "    if options.kernels == 'builtin':\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return measure(options, *rest)\n"
        "bench.SWEEP_THREADS = (1,)\n"
        "bench.measure = crashes_without_xnnpack\n"
        "options = bench.Options(\n"
        "    bundle=sys.argv[1], window_s=0.01, warmup_s=0, windows=1, min_runs=1, json='-')\n"
        "sys.exit(bench.sweep(options))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, str(bundle)],
        cwd=SCRIPT.parents[1],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    report = json.loads(process.stdout)
    assert list(faults(report, SCHEMA, SCHEMA)) == []
    assert [row["error"] is None for row in report["sweep"]] == [True, False, True]
    assert report["sweep"][1]["steady"] is None
    assert "1 threads, builtin, samples: it could not be measured" in process.stderr


def test_a_sweep_of_a_wrong_model_is_an_error_of_one_line(tmp_path):
    (tmp_path / "x.tflite").write_bytes(b"no model")
    process = run("--model", "x.tflite", "--sweep", cwd=tmp_path)
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.count("error:") == 1
    assert "sweep 1" not in process.stderr


def test_a_signal_ends_a_sweep():
    command = [sys.executable, "-I", str(SCRIPT), "--model", str(TINY), *SHORT, "--sweep"]
    process = subprocess.Popen(
        [*command, "--windows", "100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert "importing" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=300)
        assert (process.returncode, out) == (1, "")
        assert err.endswith("bench_tflite: error: stopped\n")
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
    finally:
        process.kill()


def test_one_input_may_be_repeated(bundle):
    report = json.loads(run(*SHORT, "--input", "one", cwd=bundle).stdout)
    facts = {"kind": "one sample repeated", "count": 1, "seed": None}
    assert report["latency"]["input"] == facts
    assert report["settings"]["input"] == "one"
    assert report["accuracy"]["total"] == COUNT  # all samples are checked all the same


def test_operators_are_listed_and_their_times_said_to_be_unavailable(swept):
    operators = swept[1]["operators"]
    listed = {entry["name"]: entry["count"] for entry in operators["listed"]}
    assert listed["DELEGATE"] >= 1
    assert listed["CONV_2D"] >= 1
    assert operators["times"] == "unavailable"
    assert "benchmark_model" in operators["why"]
    old = bench.Runtime("tflite-runtime", "2.5.0", None, None, 1.0)
    assert bench.operator_facts(old, object())["listed"] is None


# ------------------------------------------------------------------------------ poor surroundings


def small(words, **settings):
    words = [sys.executable, "-I", str(SCRIPT), *SHORT, *words]
    done = subprocess.run(words, capture_output=True, text=True, check=False, **settings)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_runs_in_512_mb(bundle):
    def limit():
        resource.setrlimit(resource.RLIMIT_DATA, (512 << 20, 512 << 20))

    report = small(["--bundle", str(bundle)], preexec_fn=limit)
    assert report["exactness"]["bit_exact"] is True
    assert report["memory"]["peak_rss_bytes"] < 512e6

    def none():
        resource.setrlimit(resource.RLIMIT_DATA, (8 << 20, 8 << 20))

    with pytest.raises(AssertionError, match=r"MemoryError|error: "):  # the limit is one
        small(["--bundle", str(bundle)], preexec_fn=none)


def isolated(script, *words):
    """Words that run a shell script in namespaces of their own; skips where that is not allowed."""
    enter = ["unshare", "-rmn", "sh", "-c"]
    probe = subprocess.run([*enter, "mount -t tmpfs none /mnt"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("this machine allows no mount namespaces")
    return [*enter, script, "sh", *words]


def test_it_needs_neither_a_network_nor_a_disk_that_can_be_written_to(bundle, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(bundle, home)
    script = (
        'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && cd "$1" && '
        '! touch x 2>/dev/null && export HOME="$1" TMPDIR="$1" && shift && exec "$@"'
    )
    words = isolated(script, str(home), sys.executable, "bench_tflite.py", *SHORT)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["exactness"]["bit_exact"] is True
    assert not (home / "__pycache__").exists()
