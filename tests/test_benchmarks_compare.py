"""Comparing two results: what is refused, what is told, and the bounds; figures worked by hand."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from report_run import benchmark, emulated, write_run
from stand_in_adb import sample_log
from tiny_bundle import FAST, MODEL, sha256, write_bundle, write_manifest
from tiny_bundle import run as bench

from hintlite.benchmarks.compare import Bounds, CompareError, compare
from hintlite.benchmarks.results import Outcome, ResultError, read_outcome
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.report.outcome import run_outcome

BEFORE = Outcome(
    place="before.json",
    form="bench_tflite",
    verdict="valid",
    task={"labels": "a" * 64, "input_shape": [28, 28, 1], "samples": "b" * 64},
    device={"target": None, "model": "Raspberry Pi 5", "cpu": "Cortex-A76"},
    method={"kind": "measured", "kernels": "xnnpack", "threads": 1, "XNNPACK applied": True},
    model={"file": "student_int8.tflite", "sha256": "1" * 64},
    software={"runtime version": "2.3.0"},
    figures={"p50_us": 200.0, "mean_us": 210.0, "model_bytes": 1000, "accuracy": 0.905},
)


def after(**changes):
    """The same result later, with parts of it changed."""
    parts = {name: {**getattr(BEFORE, name), **change} for name, change in changes.items()}
    return replace(BEFORE, place="after.json", **parts)


def test_what_changed_is_told_with_both_values():
    found = compare(
        BEFORE,
        after(
            model={"sha256": "2" * 64},
            software={"runtime version": "2.4.0", "numpy": "2.1"},
            figures={"p50_us": 150.0, "model_bytes": 1100},
        ),
    )
    assert [(each.what, each.first, each.second) for each in found.changes] == [
        ("model sha256", "1" * 64, "2" * 64),
        ("runtime version", "2.3.0", "2.4.0"),
        ("numpy", None, "2.1"),
    ]
    figures = {each.name: each for each in found.figures}
    assert figures["p50_us"].change_percent == -25.0
    assert figures["model_bytes"].change_percent == pytest.approx(10.0)
    assert figures["mean_us"].change_percent == 0.0
    assert not found.notes
    assert not found.broken


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task": {"labels": "c" * 64}}, "different tasks: labels aaaaaaaaaaaa and cccccccccccc"),
        ({"task": {"input_shape": [32, 32, 3]}}, "input 28x28x1 and 32x32x3"),
        ({"task": {"samples": "d" * 64}}, "different tasks: sample set"),
        ({"device": {"model": "Raspberry Pi 4"}}, "different devices"),
        ({"device": {"cpu": "Cortex-A72"}}, "different devices: cpu"),
        ({"method": {"threads": 4}}, "not measured the same way: threads 1 and 4"),
        ({"method": {"XNNPACK applied": False}}, "the same way: XNNPACK applied True and False"),
        ({"method": {"kernels": "reference"}}, "kernels xnnpack and reference"),
        ({"method": {"kind": "simulated"}}, "kind of result measured and simulated"),
    ],
)
def test_what_cannot_be_compared_is_refused_either_way(changes, said):
    for pair in ((BEFORE, after(**changes)), (after(**changes), BEFORE)):
        with pytest.raises(CompareError) as error:
            compare(*pair)
    with pytest.raises(CompareError) as error:
        compare(BEFORE, after(**changes))
    assert said in str(error.value)


def test_all_that_stands_against_a_comparison_is_named_at_once():
    with pytest.raises(CompareError) as error:
        compare(BEFORE, after(task={"labels": "c" * 64}, method={"threads": 2}))
    assert "different tasks" in str(error.value)
    assert "threads 1 and 2" in str(error.value)


def test_what_one_result_does_not_know_is_not_checked_and_said():
    found = compare(BEFORE, after(task={"labels": None, "samples": None}, method={"threads": None}))
    assert found.notes == (
        "labels not compared: only one result says",
        "sample set not compared: only one result says",
        "threads not compared: only one result says",
    )


def test_one_device_under_two_names_is_one():
    def named(name, system_id, outcome=BEFORE):
        return replace(outcome, device={**BEFORE.device, "target": name}, system_id=system_id)

    before = named("pi@192.168.1.7", "a" * 32)
    assert not compare(before, named("pi@raspberrypi.local", "a" * 32, after())).notes
    for system_id in ("b" * 32, None):
        with pytest.raises(CompareError, match="different devices: target"):
            compare(before, named("pi@raspberrypi.local", system_id, after()))
    with pytest.raises(CompareError, match="different devices: target"):
        compare(named("one", None), named("two", None, after()))
    assert compare(before, named("pi@192.168.1.7", "b" * 32, after())).notes == (
        "pi@192.168.1.7 was another system each time: another device, or one installed anew",
    )
    assert not compare(before, named("pi@192.168.1.7", None, after())).notes


def test_an_invalid_result_is_refused_and_a_doubtful_one_said():
    doubtful = replace(after(), verdict="doubtful", reasons=("the phone was hot",))
    assert compare(BEFORE, doubtful).notes == ("after.json is doubtful: the phone was hot",)
    invalid = replace(after(), verdict="invalid", reasons=("outputs differ",))
    with pytest.raises(CompareError, match=r"after.json is invalid \(outputs differ\)"):
        compare(BEFORE, invalid)


@pytest.mark.parametrize(
    ("p50", "accuracy", "bounds", "broken"),
    [
        (210.0, 0.905, Bounds(5, None), []),  # 5.0 % slower: just allowed
        (
            210.1,
            0.905,
            Bounds(5, None),
            ["slower by 5.05 % (p50_us 200.0 to 210.1), allowed are 5 %"],
        ),
        (100.0, 0.905, Bounds(0, 0), []),
        (200.0, 0.903, Bounds(None, 0.2), []),  # 90.5 to 90.3: just allowed
        (200.0, 0.902, Bounds(None, 0.2), ["accuracy fell by 0.30 points (90.50 % to 90.20 %)"]),
        (400.0, 0.5, Bounds(5, 0.2), ["slower by 100.00 %", "accuracy fell by 40.50 points"]),
        (400.0, 0.5, Bounds(), []),
    ],
)
def test_bounds_are_kept_to_the_point(p50, accuracy, bounds, broken):
    found = compare(BEFORE, after(figures={"p50_us": p50, "accuracy": accuracy}), bounds)
    assert len(found.broken) == len(broken)
    for sentence, expected in zip(found.broken, broken, strict=True):
        assert sentence.startswith(expected)


def test_a_bound_that_cannot_be_judged_is_no_pass():
    without = replace(after(), figures={"model_bytes": 1000})
    with pytest.raises(CompareError, match="max_slowdown cannot be judged"):
        compare(BEFORE, without, Bounds(5, None))
    with pytest.raises(CompareError, match="max_drop cannot be judged"):
        compare(BEFORE, without, Bounds(None, 0.2))
    assert not compare(BEFORE, without).broken
    with pytest.raises(CompareError, match="number from 0 on"):
        Bounds(-1.0)
    with pytest.raises(CompareError, match="number from 0 on"):
        Bounds(float("nan"))


def test_without_a_median_the_mean_is_bounded():
    ours = replace(BEFORE, figures={"mean_us": 100.0})
    theirs = replace(after(), figures={"mean_us": 120.0, "p50_us": 90.0})
    assert compare(ours, theirs, Bounds(19.9, None)).broken[0].startswith("slower by 20.00 %")


# ------------------------------------------------------------------------ results from real files


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Three real reports of bench_tflite.py: a bundle twice, and with other samples."""
    folder = tmp_path_factory.mktemp("reports")
    bundle = write_bundle(folder / "bundle")
    for name in ("a.json", "b.json"):
        done = bench(*FAST, "--json", str(folder / name), cwd=bundle)
        assert done.returncode == 0, done.stderr
    with np.load(bundle / "samples.npz", allow_pickle=False) as file:
        arrays = dict(file)
    arrays["labels"] = (arrays["labels"] + 1) % 4
    np.savez(bundle / "samples.npz", **arrays)
    write_manifest(bundle, [8, 8, 1], 4)
    assert bench(*FAST, "--json", str(folder / "other.json"), cwd=bundle).returncode == 0
    return folder


@pytest.mark.whole
def test_a_real_report_says_what_it_was_asked(reports):
    outcome = read_outcome(reports / "a.json")
    assert outcome.form == "bench_tflite"
    assert outcome.task["input_shape"] == [8, 8, 1]
    assert len(outcome.task["labels"]) == len(outcome.task["samples"]) == 64
    assert outcome.model["sha256"] == sha256(reports / "bundle" / MODEL)
    assert outcome.figures["accuracy"] == 11 / 12
    assert outcome.figures["p50_us"] > 0


def test_the_command_is_a_gate(reports, capsys):
    words = ["compare", str(reports / "a.json"), str(reports / "b.json")]
    assert main([*words, "--max-slowdown", "100000%", "--max-drop", "0.2"]) == 0
    assert "accuracy" in capsys.readouterr().out
    slower = json.loads((reports / "b.json").read_text())
    slower["latency"]["steady"]["p50_us"] *= 1e6
    slower["accuracy"]["correct"] = 10
    (reports / "slower.json").write_text(json.dumps(slower))
    words[2] = str(reports / "slower.json")
    assert main([*words, "--max-slowdown", "5%", "--max-drop", "0.2"]) == 1
    said = capsys.readouterr().out
    assert "bound broken: slower by" in said
    assert "bound broken: accuracy fell by 8.33 points (91.67 % to 83.33 %)" in said
    assert main(words) == 0  # without bounds it only tells
    capsys.readouterr()
    assert main([*words, "--json", "--max-drop", "1"]) == 1
    stated = json.loads(capsys.readouterr().out)
    assert stated["within_bounds"] is False


def test_a_delegate_that_one_lacks_is_refused(reports, capsys):
    """Asked for by both, applied in one: the runtime of the other left it out."""
    without = json.loads((reports / "b.json").read_text())
    assert without["runtime"]["delegate_applied"] is True
    without["runtime"]["delegate_applied"] = False
    (reports / "without.json").write_text(json.dumps(without))
    assert main(["compare", str(reports / "a.json"), str(reports / "without.json")]) == 2
    said = capsys.readouterr().err
    assert "results not measured the same way: XNNPACK applied True and False" in said


def test_other_samples_are_refused_with_exit_code_2(reports, capsys):
    assert main(["compare", str(reports / "a.json"), str(reports / "other.json")]) == 2
    assert "different tasks: sample set" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        (b'{"schema": ', "cut off or no JSON"),
        (b"{}", "is no result of this version"),
        (b'{"schema": "hintlite-bench/1"}', "lacks a field"),
        (b'{"nested": ' * 100_000, "nested too deep"),
        (b"hello", "is no result; expected"),
        (b"\xff\xfe\x00", "is no result; expected"),
        (b"INFO: STARTING!\n", "expected a line"),
        (sample_log().encode() * 2, "results of 2 runs"),
    ],
)
def test_files_that_are_no_results_end_with_2_and_a_sentence(content, said, tmp_path, capsys):
    good, bad = tmp_path / "good.log", tmp_path / "bad"
    good.write_text(sample_log())
    if content is not None:
        bad.write_bytes(content)
    assert main(["compare", str(good), str(bad)]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"kind": "measured"}, "no result of this version"),
        (benchmark(10.0) | {"raw": {"schema": "hintlite-bench/1"}}, "lacks a field"),
        (benchmark(10.0) | {"verdict": None}, "verdict needs a state"),
        ([[]], "lacks a field"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_a_run_that_cannot_be_read_ends_with_2_and_a_sentence(content, said, tmp_path, capsys):
    """1 would say that a bound is broken."""
    write_run(tmp_path / "good")
    write_run(tmp_path / "bad")
    (path,) = (tmp_path / "bad" / "benchmark").glob("hint+kd*int8.json")
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    record_path = path.with_name("stage.json")
    record = json.loads(record_path.read_text())
    record["outputs"][path.name] = sha256(path)
    record_path.write_text(json.dumps(record))
    words = ["compare", str(tmp_path / "good"), str(tmp_path / "bad"), "--max-slowdown", "5%"]
    assert main(words) == 2
    said_there = capsys.readouterr().err
    assert said in said_there
    assert str(tmp_path / "bad") in said_there
    (tmp_path / "bad" / "settings.yaml").write_text("arms: " + "[" * 5000)
    assert main(words) == 2
    assert "Traceback" not in capsys.readouterr().err


STEERS = "a\x1b[2Jb\nc"


def test_no_result_steers_the_terminal(reports, tmp_path, capsys):
    """Whoever gave it: in its facts, its reasons, in a log, and in a log that is refused."""
    words = ["compare", str(reports / "a.json"), str(tmp_path / "b.json")]
    stored = json.loads((reports / "b.json").read_text())
    stored["runtime"]["version"] = stored["machine"]["kernel"] = STEERS
    reason = dict.fromkeys(("code", "what", "why", "cure"), STEERS) | {"state": "doubtful"}
    stored["verdict"] = {"state": "doubtful", "reasons": [reason]}
    (tmp_path / "b.json").write_text(json.dumps(stored))
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "a [2Jb c" in shown
    assert "\x1b" not in shown
    stored["machine"]["model"] = STEERS
    (tmp_path / "b.json").write_text(json.dumps(stored))
    second = tmp_path / "c.json"
    stored["machine"]["model"] = "another"
    second.write_text(json.dumps(stored))
    assert main(["compare", str(tmp_path / "b.json"), str(second)]) == 2
    assert "different devices: device's name a [2Jb c and another" in capsys.readouterr().err
    (tmp_path / "bad.log").write_text("INFO: STARTING!\nERROR: Failed \x1b[2Jb\n")
    assert main(["compare", str(tmp_path / "bad.log"), str(second)]) == 2
    assert "it says: ERROR: Failed  [2Jb" in capsys.readouterr().err
    (tmp_path / "good.log").write_text(sample_log(graph="/x/\x1b[2Jb.tflite"))
    assert read_outcome(tmp_path / "good.log").model["file"] == " [2Jb.tflite"


@pytest.mark.parametrize("words", [["--max-slowdown", "fast"], ["--max-drop", "-1"], ["--maxdrop"]])
def test_wrong_use_ends_with_2(words, capsys):
    assert main(["compare", "a", "b", *words]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_logs_of_benchmark_model_are_compared(tmp_path, capsys):
    (tmp_path / "a.log").write_text(sample_log())
    slower = sample_log().replace("median=2781", "median=2990")
    (tmp_path / "b.log").write_text(slower)
    words = ["compare", str(tmp_path / "a.log"), str(tmp_path / "b.log"), "--max-slowdown"]
    assert main([*words, "10%"]) == 0
    assert "device's name not compared: neither result says" in capsys.readouterr().out
    assert main([*words, "5%"]) == 1
    assert "slower by 7.52 %" in capsys.readouterr().out
    (tmp_path / "b.log").write_text(sample_log(threads="1"))
    assert main([*words, "5%"]) == 2
    assert "threads 4 and 1" in capsys.readouterr().err


def test_simulated_instructions_are_compared_and_never_with_times(tmp_path):
    first, second = tmp_path / "m4.json", tmp_path / "m4-later.json"
    first.write_text(json.dumps(emulated("cortex-m4")))
    second.write_text(json.dumps(emulated("cortex-m4", instructions_per_inference=13603)))
    found = compare(read_outcome(first), read_outcome(second), Bounds(5, None))
    assert found.broken[0].startswith("slower by 9.99 % (instructions_per_inference 12,367.0")
    second.write_text(json.dumps(emulated("cortex-m7")))
    with pytest.raises(CompareError, match="different devices"):
        compare(read_outcome(first), read_outcome(second))


def test_runs_stand_for_their_deployed_student(tmp_path):
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", test="u" * 64)
    outcome = run_outcome(tmp_path / "a")
    assert outcome.model["method"] == "hint+kd"
    assert outcome.figures["accuracy"] == 1.0  # all 8 of CHOICES["hint+kd:int8"]
    assert outcome.figures["p50_us"] == 10.0
    assert not compare(outcome, outcome).broken
    with pytest.raises(CompareError, match="sample set"):
        compare(outcome, run_outcome(tmp_path / "b"))
    shutil.rmtree(tmp_path / "b" / "benchmark")
    with pytest.raises(ResultError, match="has no benchmark of its deployed student"):
        run_outcome(tmp_path / "b")
    with pytest.raises(ResultError, match="expected a run folder"):
        run_outcome(tmp_path)


def test_a_hosts_result_is_read(tmp_path):
    stored = benchmark(20.0)
    stored["raw"]["machine"] = {"cpu": "x", "cores": 2}
    (tmp_path / "host.json").write_text(json.dumps(stored))
    outcome = read_outcome(tmp_path / "host.json")
    assert outcome.method["kind"] == "measured"
    assert outcome.figures["p50_us"] == 20.0


def test_the_command_answers_without_tensorflow(reports):
    code = (
        "import sys; from hintlite.pipeline.app.cli.main import main; "
        f"rc = main(['compare', {str(reports / 'a.json')!r}, {str(reports / 'b.json')!r}]); "
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules; sys.exit(rc)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
