"""bench_tflite.py: one file that runs alone, its JSON, its statistics, its runtimes."""

import ast
import copy
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from json_schema import KEYWORDS, every_schema, faults
from tiny_bundle import COUNT, FAST, MODEL, SCRIPT, TINY, error_line, run, sha256, write_bundle

from hintlite.benchmarks import bench_tflite as bench

SCHEMA = json.loads(SCRIPT.with_suffix(".schema.json").read_text())


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("made") / "bundle")


@pytest.fixture(scope="module")
def finished(bundle, tmp_path_factory):
    """One run in a folder that holds a bundle and nothing else, with its imports on stderr."""
    folder = tmp_path_factory.mktemp("alone")
    for path in bundle.iterdir():
        shutil.copy(path, folder)
    out = tmp_path_factory.mktemp("out") / "result.json"
    words = [*FAST, "--nonce", "n 1", "--json", str(out)]  # the last --json counts
    return run(*words, cwd=folder, python=("-I", "-X", "importtime")), out


@pytest.fixture(scope="module")
def report(finished) -> dict:
    process, out = finished
    assert process.returncode == 0, process.stderr
    return json.loads(out.read_text())


# ---------------------------------------------------------------------------------- one file, alone


def test_the_file_is_python_3_7():
    ast.parse(SCRIPT.read_text(), feature_version=(3, 7))
    with pytest.raises(SyntaxError):
        ast.parse("if (n := 1): pass", feature_version=(3, 7))


def imported_names(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level + (node.module or "").split(".")[0])
    return names


def test_it_names_no_import_but_the_allowed_ones():
    allowed = set(sys.stdlib_module_names) | {"numpy", "ai_edge_litert", "tflite_runtime"}
    assert imported_names(ast.parse(SCRIPT.read_text())) - allowed == {"tensorflow"}
    assert imported_names(ast.parse("from . import x\nimport deploy.y")) == {".", "deploy"}


def test_it_runs_alone_and_loads_nothing_of_ours(finished, report):
    process, _ = finished
    loaded = set(re.findall(r"^import time:.*\| +([\w]+)", process.stderr, re.MULTILINE))
    assert {"numpy", "ai_edge_litert"} <= loaded
    ours = {"hintlite"}
    assert not loaded & (ours | {"tensorflow", "keras", "tflite", "scipy"})
    assert report["runtime"]["name"] == "ai-edge-litert"


# ----------------------------------------------------------------------------------------- the JSON


def test_the_json_is_in_the_file_and_the_verdict_ends_the_terminal(finished, report):
    process, out = finished
    lines = process.stdout.splitlines()
    start = lines.index("verdict: " + report["verdict"]["state"])
    assert lines[0].startswith("p50 ")
    assert all(line.startswith("  ") for line in lines[start + 1 :])  # its reasons
    assert "{" not in process.stdout
    assert "bench_tflite: report: " + str(out) in process.stderr
    assert [path.name for path in out.parent.iterdir()] == ["result.json"]
    assert "Traceback" not in process.stderr


def test_stdout_is_the_json_alone_where_it_is_asked_for(bundle):
    process = run(*FAST, "--windows", "2", cwd=bundle)
    assert process.returncode == 0, process.stderr
    state = json.loads(process.stdout)["verdict"]["state"]
    assert f"bench_tflite: verdict: {state}" in process.stderr


def test_the_json_is_what_the_schema_says(report):
    assert list(faults(report, SCHEMA, SCHEMA)) == []


def test_the_schema_check_can_fail(report):
    def broken(change):
        other = copy.deepcopy(report)
        change(other)
        return list(faults(other, SCHEMA, SCHEMA))

    assert broken(lambda r: r.pop("nonce"))
    assert broken(lambda r: r["latency"]["steady"].update(p42_us=1.0))
    assert broken(lambda r: r["machine"]["before"].update(load_average=3))
    assert broken(lambda r: r["model"]["inputs"][0].update(scale="0.1"))
    assert broken(lambda r: r["verdict"].update(state="fine"))


def test_every_field_is_required_and_described():
    for schema in every_schema(SCHEMA):
        assert schema.keys() <= KEYWORDS | {"$schema", "title", "$defs"}
        assert schema.get("description") or "$ref" in schema
        if "properties" in schema:
            assert schema["additionalProperties"] is False
            assert schema["required"] == list(schema["properties"])


def test_the_task_is_that_of_the_bundle_whatever_its_model(report, bundle):
    task = json.loads((bundle / "manifest.json").read_text())["task"]
    labels = hashlib.sha256("\n".join(task["labels"]).encode()).hexdigest()
    with np.load(bundle / "samples.npz", allow_pickle=False) as file:
        raw, known = file["inputs"], file["labels"]
    told = b"|u1(12, 8, 8, 1)" + raw.tobytes() + b"<i8(12,)" + known.tobytes()
    assert report["task"] == {
        "labels_sha256": labels,
        "classes": len(task["labels"]),
        "input_shape": [8, 8, 1],
        "samples_sha256": hashlib.sha256(told).hexdigest(),
    }


def test_the_report_is_about_this_run(report, bundle):
    assert report["nonce"] == "n 1"
    assert report["model"]["sha256"] == sha256(bundle / MODEL)
    assert report["model"]["bytes"] == TINY.stat().st_size
    assert report["script"]["sha256"] == sha256(SCRIPT)
    assert report["model"]["inputs"][0]["shape"] == [1, 8, 8, 1]
    assert report["model"]["outputs"][0]["dtype"] == "int8"
    asked = {"threads": 1, "kernels": "xnnpack", "warmup_s": 0.02, "window_s": 0.05}
    assert report["settings"] == {**asked, "windows": 5, "min_runs": 3, "input": "samples"}


def test_latency_hangs_together(report):
    latency, steady = report["latency"], report["latency"]["steady"]
    assert len(steady["windows"]) == 5
    assert sum(window["runs"] for window in steady["windows"]) == steady["runs"]
    assert all(window["seconds"] >= 0.05 for window in steady["windows"])
    ordered = [steady[name + "_us"] for name in ("min", "p50", "p90", "p99", "max")]
    assert ordered == sorted(ordered)
    assert all(latency[name + "_us"] > 0 for name in ("import", "load", "allocate", "first"))
    assert latency["warmup_runs"] > 0
    assert latency["input"] == {"kind": "samples in turn", "count": COUNT, "seed": None}


def test_memory_grows_from_start_to_peak(report):
    memory = report["memory"]
    names = ("rss_start_bytes", "rss_imported_bytes", "rss_ready_bytes", "peak_rss_bytes")
    sizes = [memory[name] for name in names]
    assert sizes == sorted(sizes)
    assert sizes[0] > 2**20
    assert memory["peak_known_by"] == "VmHWM"


def test_samples_are_right_and_bit_exact_for_the_reference_kernels_alone(report):
    assert report["accuracy"] == {"correct": COUNT - 1, "total": COUNT}
    exactness = report["exactness"]
    assert exactness["bit_exact"] is True
    assert exactness["same_runtime"] is True
    assert [check["kernels"] for check in exactness["checks"]] == ["xnnpack", "reference"]
    reference = exactness["checks"][1]
    assert (reference["equal"], reference["max_difference_steps"]) == (COUNT, 0)


def test_a_short_run_is_doubtful_and_exits_with_0(report):
    assert report["verdict"]["state"] == "doubtful"
    assert "short" in [reason["code"] for reason in report["verdict"]["reasons"]]


@pytest.mark.parametrize(
    ("words", "kernels", "applied"),
    [
        ([], "xnnpack", True),
        (["--no-delegate"], "builtin", False),
        (["--kernels", "reference"], "reference", False),
    ],
)
def test_any_model_and_the_delegate_that_was_really_applied(words, kernels, applied, tmp_path):
    process = run("--model", str(TINY), *FAST, *words, "--windows", "2", cwd=tmp_path)
    report = json.loads(process.stdout)
    assert list(faults(report, SCHEMA, SCHEMA)) == []
    assert report["runtime"]["kernels_asked"] == kernels
    assert report["runtime"]["delegate_asked"] is (kernels == "xnnpack")
    assert report["runtime"]["delegate_applied"] is applied
    assert report["latency"]["input"] == {"kind": "one random input", "count": 1, "seed": 0}
    assert (report["accuracy"], report["exactness"]) == (None, None)
    assert (report["model"]["precision"], len(report["latency"]["steady"]["windows"])) == (
        "int8",
        2,
    )


def test_unknown_operators_leave_the_delegate_unknown():
    runtime = bench.Runtime("tflite-runtime", "2.5.0", None, None, 1.0)
    facts = bench.runtime_facts(runtime, object(), "xnnpack")
    assert facts["delegate_applied"] is None
    assert facts["delegate_known_by"] is None


# ----------------------------------------------------------------------------------- the statistics

RECORDED_NS = [  # of a Raspberry Pi class device, two windows of unequal length
    [1533011, 1529400, 1530122, 1688233, 1529871, 1531490, 2904117],
    [1540012, 1538867, 1541201, 1539004, 1700321],
]


def test_statistics_agree_with_numpy():
    steady = bench.steady_facts(RECORDED_NS)
    laps = np.concatenate(RECORDED_NS) / 1e3
    for percent in (50, 90, 99):
        assert steady[f"p{percent}_us"] == pytest.approx(np.percentile(laps, percent), rel=1e-12)
    expected = (laps.mean(), laps.min(), laps.max(), laps.std(), laps.size)
    got = [steady[name] for name in ("mean_us", "min_us", "max_us", "std_us", "runs")]
    assert got == pytest.approx(expected, rel=1e-12)


def test_windows_agree_with_numpy():
    steady = bench.steady_facts(RECORDED_NS)
    means = [np.mean(laps) / 1e3 for laps in RECORDED_NS]
    assert [w["mean_us"] for w in steady["windows"]] == pytest.approx(means, rel=1e-12)
    assert [w["p50_us"] for w in steady["windows"]] == [1531.49, 1540.012]
    assert steady["median_of_windows_us"] == pytest.approx(np.median(means), rel=1e-12)
    spread = 100 * (max(means) - min(means)) / np.median(means)
    assert steady["spread_percent"] == pytest.approx(spread, rel=1e-12)


def test_percentile_of_a_worked_example():
    assert bench.percentile([1, 2, 3, 4], 50) == 2.5
    assert bench.percentile([10, 20], 90) == pytest.approx(19)
    assert bench.percentile([7], 99) == 7


def test_a_window_lasts_for_its_time_and_its_runs(monkeypatch):
    now = iter(range(0, 10**9, 1000))  # each look at the clock is a microsecond later
    monkeypatch.setattr(bench.time, "perf_counter_ns", lambda: next(now))
    calls = []
    laps = bench.run_window(lambda: calls.append("f"), lambda: calls.append("i"), 5e-6, 2)
    assert list(laps) == [1000] * 5
    assert calls == ["f", "i"] * 5
    assert len(bench.run_window(lambda: None, lambda: None, 5e-6, 8)) == 8
    assert len(bench.run_window(lambda: None, lambda: None, 0.0, 0)) == 0


# ----------------------------------------------------------------------------- runtimes and crashes


def test_runtimes_are_tried_in_order(monkeypatch):
    assert list(bench.RUNTIMES) == ["ai-edge-litert", "tflite-runtime", "tensorflow"]

    def missing():
        raise ImportError("not\nthere")

    package = types.SimpleNamespace(__version__="9.9")
    works = {"first": missing, "second": lambda: (package, "class", "kernels")}
    monkeypatch.setattr(bench, "RUNTIMES", works)
    runtime = bench.import_runtime()
    assert (runtime.name, runtime.version, runtime.interpreter) == ("second", "9.9", "class")
    monkeypatch.setattr(bench, "RUNTIMES", {"first": missing, "third": missing})
    with pytest.raises(bench.BenchError, match=r"first: not there; third: not there.*pip install"):
        bench.import_runtime()


def test_tflite_runtime_is_not_tried_with_numpy_2(monkeypatch):
    monkeypatch.setattr(np, "__version__", "2.0.1")
    with pytest.raises(ImportError, match=r"needs 'numpy<2', found numpy 2\.0\.1"):
        bench.load_tflite_runtime()
    monkeypatch.setattr(np, "__version__", "1.26.4")
    with pytest.raises(ImportError, match="tflite_runtime"):  # not installed here
        bench.load_tflite_runtime()


def test_a_runtime_without_a_choice_of_kernels_is_refused_one():
    old = bench.Runtime("tflite-runtime", "2.5.0", lambda **words: words, None, 1.0)
    assert bench.build_interpreter(old, "m", "xnnpack", 2) == {"model_path": "m", "num_threads": 2}
    with pytest.raises(bench.BenchError, match="cannot choose kernels"):
        bench.build_interpreter(old, "m", "reference", 2)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("SIGSEGV", "crashed (SIGSEGV)"),
        ("SIGILL", "another processor"),
        ("SIGKILL", "out of memory"),
    ],
)
def test_a_crash_of_the_runtime_is_an_error_of_one_line(number, words, tmp_path):
    code = (
        "import os, signal, sys; from hintlite.benchmarks.bench_tflite import supervise; "
        f"sys.exit(supervise(lambda: os.kill(os.getpid(), signal.{number})))"
    )
    command = [sys.executable, "-c", code]
    process = subprocess.run(
        command, cwd=SCRIPT.parents[1], capture_output=True, text=True, check=False
    )
    assert process.returncode == 1
    assert words in error_line(process)


def test_an_unforeseen_error_is_one_line_too(monkeypatch, capsys):
    def broken(*_):
        raise ZeroDivisionError("a\nb")

    monkeypatch.setattr(bench, "measure", broken)
    assert bench.work(bench.Options()) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "bench_tflite: error: unexpected ZeroDivisionError: a b\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_measuring_process_too(number, tmp_path):
    command = [sys.executable, "-I", str(SCRIPT), "--model", str(TINY), "--window-s", "60"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert "importing" in process.stderr.readline()  # the child's first words
        process.send_signal(number)
        out, err = process.communicate(timeout=300)
        assert (process.returncode, out) == (1, "")
        assert "bench_tflite: error: stopped" in err
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
    finally:
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_the_worst_moment_leaves_no_measuring_process(number):
    """It comes when the child is there and the parent's handlers are not."""
    code = (
        "import os, sys, time; from hintlite.benchmarks import bench_tflite\n"
        "fork = os.fork\n"
        "def signalled():\n"
        "    child = fork()\n"
        "    if child:\n"
        "        print(child, flush=True)\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "    return child\n"
        "os.fork = signalled\n"
        "sys.exit(bench_tflite.supervise(lambda: time.sleep(60)))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code],
        cwd=SCRIPT.parents[1],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert process.returncode == 1
    assert "error: stopped" in process.stderr
    with pytest.raises(ProcessLookupError):
        os.kill(int(process.stdout), 0)


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    out = tmp_path / "out.json"
    bench.write_json(str(out), "old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bench.os, "replace", full)
    with pytest.raises(bench.BenchError, match="No space left"):
        bench.write_json(str(out), "new")
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
