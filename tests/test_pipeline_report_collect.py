"""The figures of the report, against values worked out by hand."""

import json
import shutil

import numpy as np
import pytest
from report_run import LABELS, TINY, maps, settings, write_run
from scipy.stats import binomtest

from hintlite.pipeline.report.collect import collect
from hintlite.pipeline.report.page import write_report
from hintlite.pipeline.report.subjects.machine import values_of
from hintlite.pipeline.report.subjects.quantization import change, mcnemar
from hintlite.pipeline.runs.reading import RunFiles, UnreadableError


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    return collect(write_run(tmp_path_factory.mktemp("run") / "mine"))


def row(facts, model, precision):
    return next(r for r in facts["rows"] if (r["model"], r["precision"]) == (model, precision))


def test_a_complete_run_lacks_nothing(facts):
    assert facts["unfinished"] == []
    assert facts["run"] == "mine"
    assert [(r["model"], r["precision"]) for r in facts["rows"]] == [
        (model, precision)
        for model in ("teacher", "scratch", "hint+kd")
        for precision in ("float32", "int8")
    ]


def test_a_row_holds_the_figures_of_the_files(facts):
    found = row(facts, "hint+kd", "int8")
    assert found == {
        "model": "hint+kd",
        "precision": "int8",
        "parameters": 100,
        "macs": found["macs"],
        "bytes": TINY.stat().st_size,
        "correct": 8,
        "total": 8,
        "accuracy": 1.0,
        "low": 0.8,
        "high": 1.0,
        "balanced_accuracy": 1.0,
        "macro_precision": 1.0,
        "macro_f1": 1.0,
        "p50_us": 10.0,
        "p99_us": 20.0,
        "speed_up": 8.0,  # the float teacher takes 80 us
        "verdict": "doubtful",
    }
    assert found["macs"] > 0
    assert row(facts, "teacher", "int8")["speed_up"] == 4.0
    assert row(facts, "teacher", "float32")["parameters"] == 1000


def test_the_parameters_of_several_teachers_are_added(tmp_path):
    run = write_run(tmp_path / "run", now=settings(teacher_members=2))
    shutil.copytree(run / "teacher" / "0", run / "teacher" / "1")
    assert row(collect(run), "teacher", "int8")["parameters"] == 2000


def test_confusion_matrices_are_of_the_teacher_and_the_deployed_student(facts):
    counts = {(c["model"], c["precision"]): c["counts"] for c in facts["confusion"]}
    assert set(counts) == {(m, p) for m in ("teacher", "hint+kd") for p in ("float32", "int8")}
    assert counts["teacher", "int8"] == [[3, 0, 0], [0, 3, 0], [0, 1, 1]]
    scores = facts["scores"]["teacher:int8"]
    assert scores["recall"] == [1, 1, 1 / 2]
    assert scores["precision"] == [1, 3 / 4, 1]
    assert scores["support"] == [3, 3, 2]


def test_samples_won_and_lost_by_int8(facts):
    tests = {entry["model"]: entry["test"] for entry in facts["quantization"]}
    names = ("both_right", "lost", "won", "both_wrong")
    assert [tests["teacher"][name] for name in names] == [7, 1, 0, 0]
    assert [tests["scratch"][name] for name in names] == [5, 1, 1, 1]
    assert [tests["hint+kd"][name] for name in names] == [7, 0, 1, 0]
    assert tests["teacher"]["change"] == -1 / 8
    assert tests["scratch"]["agreement"] == 6 / 8
    assert tests["scratch"]["logit_error"]["p100"] == 1.0  # 4 against 0, of a range of 4
    assert facts["quantization"][0]["verify"]["figures"]["max_int8_error_steps"] == 3.5


def test_logit_errors_are_percentiles_of_the_range():
    before = np.array([[0.0, 10.0], [10.0, 0.0]])
    found = change(np.array([1, 0]), before, before + np.array([[1, 1], [1, 5]]))["logit_error"]
    assert found["p50"] == pytest.approx(0.1)
    assert found["p100"] == pytest.approx(0.5)
    assert change(np.array([0]), np.zeros((1, 2)), np.ones((1, 2)))["logit_error"] is None


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (1, 0), (0, 3), (5, 12), (40, 41), (900, 1000)])
def test_mcnemar_is_the_exact_binomial_test(lost, won):
    expected = binomtest(lost, lost + won).pvalue if lost + won else 1.0
    assert mcnemar(lost, won) == pytest.approx(expected, abs=1e-12)


def test_histories_keep_each_phase_its_columns(facts):
    trainings = {entry["model"]: entry for entry in facts["training"]}
    assert list(trainings) == ["teacher/0", "scratch", "hint+kd"]
    hint = trainings["hint+kd"]["phases"]
    assert hint["pretrain"]["val_hint"] == [8.0, 6.0]
    assert "val_accuracy" not in hint["pretrain"]
    assert hint["task"]["val_accuracy"] == [0.5, 0.7]
    assert hint["task"]["loss"] == [1.2, None]  # the file says nan
    assert trainings["hint+kd"]["not_finite"] == 1
    assert trainings["teacher/0"]["not_finite"] == 0


def test_the_hint_error_is_relative_to_the_teachers_maps(facts):
    error = {"relative_error": pytest.approx(0.25), "images": 2, "shape": [4, 4, 3]}
    assert facts["hints"] == [{"arm": "hint+kd", "pair": "stage1 <- stage2"} | error]
    assert len(maps()["images"]) == 2


def test_origin(facts):
    assert facts["seeds"] == {"seed": 7, "split_seed": 3, "deterministic": False}
    assert facts["provenance"]["commit"] == "c0ffee"
    assert list(facts["libraries"]) == ["numpy", "pyyaml"]
    assert facts["machines"] == [{"cpu": "A <b>CPU</b>", "cores": 2}]
    assert facts["data"]["test"] == len(LABELS)
    commands = {entry["figure"]: entry["command"] for entry in facts["reproduce"]}
    assert commands["latency, memory, machine"].startswith("hintlite benchmark ")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "–"),  # noqa: RUF001
        ({"low": 0.0, "high": 0.9, "taken_for": None, "certain": False}, "0 to 0.9"),
        (
            {"low": 3.0, "high": 250.0, "taken_for": [0, 255], "certain": True},
            "3 to 250, taken for 0 to 255",
        ),
        (
            {"low": 0.0, "high": 16.0, "taken_for": [0, 16], "certain": False},
            "0 to 16, taken for 0 to 16, a guess from the samples",
        ),
    ],
)
def test_what_values_are_taken_for_is_said_and_whether_it_is_a_guess(found, words):
    assert values_of(found) == words


def test_commands_quote_the_run_folder(tmp_path):
    run = write_run(tmp_path / "my run; rm", stages=0)
    assert collect(run)["resume"] == f"hintlite run '{run}'"
    assert f"'{run}/settings.yaml'" in collect(run)["repeat"]


def test_a_run_from_python_is_repeated_in_python_with_its_own_samples(tmp_path):
    python = settings(data={"source": "python", "split_seed": 3})
    run = write_run(tmp_path / "my run", now=python, name="plates")
    facts = collect(run)
    assert facts["data"]["name"] == "plates"
    compile(facts["repeat"], "repeat", "exec")
    assert f"hintlite.load_run({str(run)!r})" in facts["repeat"]
    assert "digits" not in json.dumps(facts)
    write_report([run], tmp_path / "r.html", None)
    page = (tmp_path / "r.html").read_text()
    assert "plates, 8 x 8 x 1, 3 classes" in page
    assert "hintlite run " + str(tmp_path / "my run-again") not in page


@pytest.mark.parametrize("stages", range(10))
def test_a_run_that_stopped_says_what_is_missing(tmp_path, stages):
    run = write_run(tmp_path / "run", stages)
    facts = collect(run)
    json.dumps(facts, allow_nan=False)
    assert len(facts["unfinished"]) == len(RunFiles(run).stages) - stages
    assert {each["state"] for each in facts["unfinished"]} <= {"missing"}
    known = {name for r in facts["rows"] for name, value in r.items() if value is not None}
    assert ("parameters" in known) == (stages > 1)
    assert ("bytes" in known) == (stages > 4)
    assert ("accuracy" in known) == (stages > 7)
    assert not {"p50_us", "p99_us", "speed_up", "verdict"} & known


def test_the_bundle_says_which_student_is_deployed_or_the_settings_do(tmp_path):
    assert collect(write_run(tmp_path / "a", stages=8))["chosen"] is None
    assert collect(write_run(tmp_path / "b", stages=9))["chosen"] == "hint+kd"
    named = write_run(tmp_path / "c", stages=2, now=settings(deploy="scratch"))
    assert collect(named)["chosen"] == "scratch"


def test_epochs_of_an_interrupted_training_are_shown_as_unfinished(tmp_path):
    run = write_run(tmp_path / "run", stages=2)
    partial = run / "distill" / "scratch.partial"
    partial.mkdir(parents=True)
    (partial / "history.csv").write_text("phase,epoch,val_accuracy\ntask,1,0.25\n")
    facts = collect(run)
    assert [(t["model"], t["finished"]) for t in facts["training"]] == [
        ("teacher/0", True),
        ("scratch", False),
    ]
    assert {"name": "distill/scratch", "state": "begun", "reason": None} in facts["unfinished"]


def test_a_changed_file_gives_no_figures(tmp_path):
    run = write_run(tmp_path / "run")
    metrics = json.loads((run / "evaluate" / "metrics.json").read_text())
    metrics["hint+kd:int8"]["accuracy"] = 1.01
    (run / "evaluate" / "metrics.json").write_text(json.dumps(metrics))
    facts = collect(run)
    assert row(facts, "hint+kd", "int8")["accuracy"] is None
    assert [each["name"] for each in facts["unfinished"]] == ["evaluate/metrics.json"]
    assert facts["unfinished"][0]["state"] == "changed"


def test_what_was_made_from_an_older_stage_gives_no_figures(tmp_path):
    run, other = write_run(tmp_path / "run"), tmp_path / "other"
    write_run(other, classes=("x", "y", "z"))
    shutil.rmtree(run / "data")
    shutil.copytree(other / "data", run / "data")
    states = {each["name"]: each for each in collect(run)["unfinished"]}
    assert "data" not in states
    assert states["teacher/0"]["state"] == "outdated"
    assert "other files" in states["teacher/0"]["reason"]
    assert "teacher/0, which is outdated" in states["distill/scratch"]["reason"]
    assert collect(run)["rows"] == []


def test_what_was_made_with_other_settings_gives_no_figures(tmp_path):
    run = write_run(tmp_path / "run")
    text = (run / "settings.yaml").read_text()
    (run / "settings.yaml").write_text(text.replace("threads: 1", "threads: 2"))
    unfinished = collect(run)["unfinished"]
    assert [each["name"] for each in unfinished] == ["benchmark"]
    assert unfinished[0]["reason"] == "it was made with another setting of benchmark"
    assert row(collect(run), "teacher", "int8")["p50_us"] is None
    assert row(collect(run), "teacher", "int8")["accuracy"] == 7 / 8


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(UnreadableError, match=r"expected a run folder with settings\.yaml"):
        collect(tmp_path)
    (tmp_path / "settings.yaml").write_text("a: [")
    with pytest.raises(UnreadableError, match="is no YAML"):
        collect(tmp_path)
    (tmp_path / "settings.yaml").write_text("seed: 1")
    with pytest.raises(UnreadableError, match="names no arms"):
        collect(tmp_path)
