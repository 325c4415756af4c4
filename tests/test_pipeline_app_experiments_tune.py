"""`hintlite tune` as it is used: interrupted, gone on with, and what its results are good for."""

import json
import os
import signal

import numpy as np
import pytest
import yaml
from tune_command import finish, require_optuna, start, wait_for_trial, write_samples, write_tuning

from hintlite.errors import DataError
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.experiments.studies.definition import read_study
from hintlite.pipeline.app.experiments.studies.plan import make_plan
from hintlite.pipeline.app.settings.text import config_from
from hintlite.pipeline.data.held_out import load_test
from hintlite.pipeline.data.load import load_training

require_optuna()


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """A tuning that met Ctrl-C in its first trial, on samples whose test part is of no use."""
    place = tmp_path_factory.mktemp("tuned")
    tuning, folder = write_tuning(place, pruning={"trials": 1, "epochs": 2}), place / "tuning"
    process = start("tune", tuning, "--folder", folder)
    _, progress = wait_for_trial(process, folder)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=300)[1]
    facts = {"interrupted": (process.returncode, error, progress.worker)}
    facts["completed"] = finish("tune", tuning, "--folder", folder)
    return facts | {"file": tuning, "folder": folder}


def report(tuned):
    return json.loads((tuned["folder"] / "report.json").read_text())


def settings_of_best(tuned):
    return yaml.safe_load((tuned["folder"] / "best.yaml").read_text())


@pytest.mark.processes
def test_ctrl_c_stops_every_process_and_the_same_command_goes_on(tuned):
    code, error, worker = tuned["interrupted"]
    assert code == 130, error
    assert "the same command goes on from here" in error
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    code, out, error = tuned["completed"]
    assert code == 0, error
    assert "6 trials: 0 finished before" in error
    first, second, *_ = report(tuned)["trials"]
    assert (first["state"], first["said"]) == ("tried again", "interrupted")
    assert second["values"] == first["values"]
    assert second["epochs"] == 6  # those before Ctrl-C are among them
    assert f"best settings: {tuned['folder'] / 'best.yaml'}" in out


@pytest.mark.processes
def test_each_trial_counts_once_and_hopeless_and_impossible_ones_are_told_of(tuned):
    facts = report(tuned)
    counts = facts["counts"]
    assert counts["complete"] + counts["pruned"] + counts["failed"] == facts["planned"] == 6
    assert counts["complete"] >= 1  # which of the others are drawn, and fall behind, may differ
    for trial in facts["trials"]:
        if trial["state"] == "pruned" and trial["same_as"] is None:
            assert trial["epochs"] < 6
            assert trial["number"] != facts["best"]["number"]
        if trial["state"] == "failed":
            assert trial["said"] == "kd.temperature must be above 0; got 0.0"
    complete = [t["value"] for t in facts["trials"] if t["state"] == "complete"]
    assert facts["best"]["value"] == max(complete)
    assert facts["findings"][0].startswith("6 of 6 trials")


@pytest.mark.processes
def test_one_teacher_serves_all_trials_and_only_the_best_student_stays(tuned):
    folder = tuned["folder"]
    (teacher,) = folder.glob("teachers/*/teacher/0/network.keras")
    assert teacher.is_file()
    assert list((folder / ".teacher_cache").glob("*.npy"))
    assert not list((folder / "work").iterdir())
    (kept,) = (folder / "best").iterdir()
    assert kept.name == f"trial-{report(tuned)['best']['number']:04d}"
    names = {path.relative_to(kept).as_posix() for path in kept.rglob("*") if path.is_file()}
    assert names == {"seed-0/student.keras", "seed-0/history.csv"}


@pytest.mark.processes
def test_the_test_data_is_never_opened(tuned):
    # Whoever opens it fails.
    config = config_from(settings_of_best(tuned)).data
    with pytest.raises(DataError, match="images are"):
        load_test(config, load_training(config))
    for place in ("evaluate", "metrics.json", "predictions.npz"):
        assert not list(tuned["folder"].rglob(place))


@pytest.mark.processes
def test_the_best_settings_are_a_run_s_and_a_study_s_base(tuned, tmp_path):
    best = report(tuned)["best"]["values"]
    config = config_from(settings_of_best(tuned))
    assert config.training.learning_rate == best["training.learning_rate"]
    assert list(config.student.depths) == best["student.depths"]
    assert (config.arms, config.quantize.max_accuracy_drop) == (("kd",), 100)
    (tmp_path / "best.yaml").write_text((tuned["folder"] / "best.yaml").read_text())
    (tmp_path / "study.yaml").write_text("base: best.yaml\narms: [scratch, kd]\nseeds: [4]")
    runs = make_plan(read_study(tmp_path / "study.yaml")).runs
    assert [run.config.training for run in runs] == [config.training] * 2
    assert runs[1].config.kd == config.kd


@pytest.mark.processes
def test_the_report_alone_changes_no_trial_and_twice_gives_the_same(tuned, capfd):
    folder = tuned["folder"]
    names = ("report.html", "report.json", "best.yaml", "history.svg")
    before = {name: (folder / name).read_bytes() for name in names}
    assert main(["tune", str(tuned["file"]), "--folder", str(folder), "--report"]) == 0
    assert before == {name: (folder / name).read_bytes() for name in names}
    assert "report: " in capfd.readouterr().out


@pytest.mark.processes
def test_other_settings_in_the_same_folder_are_refused(tuned, tmp_path, capfd):
    content = yaml.safe_load(tuned["file"].read_text())
    content["base"]["training"]["epochs"] = 7
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(content))
    assert main(["tune", str(other), "--folder", str(tuned["folder"])]) == 2
    assert "holds the trials of other settings (base, samples or" in capfd.readouterr().err


def test_wrong_use_is_explained_and_leaves_nothing(tmp_path, capfd):
    tuning = write_tuning(tmp_path, search={"kd.temprature": {"low": 1, "high": 2}})
    folder = tmp_path / "f"
    assert main(["tune", str(tuning), "--folder", str(folder)]) == 2
    assert "did you mean: kd.temperature" in capfd.readouterr().err
    tuning = write_tuning(tmp_path)
    assert main(["tune", str(tuning), "--folder", str(folder), "--report"]) == 2
    assert "holds no trials" in capfd.readouterr().err
    assert not folder.exists()


@pytest.mark.slow(
    modules=["hintlite.pipeline.app.experiments.queue", "hintlite.pipeline.app.experiments.tuning"]
)
@pytest.mark.timeout(1800)
def test_two_commands_share_the_trials_and_a_killed_one_loses_nothing(tmp_path):
    tuning = write_tuning(tmp_path, trials=8, pruning=False, objective="int8", seeds=[0, 1])
    folder = tmp_path / "tuning"
    words = ("tune", tuning, "--folder", folder)
    killed, other = start(*words), start(*words)
    place, progress = wait_for_trial(killed, folder)
    # A worker, then a whole command with all that it is doing.
    os.kill(progress.worker, signal.SIGKILL)
    wait_for_trial(killed, folder, after=int(place.name))
    killed.kill()
    killed.communicate(timeout=300)
    error = other.communicate(timeout=900)[1]
    assert other.returncode == 0, error
    code, _, error = finish(*words, "--jobs", "2", timeout_s=900)
    assert code == 0, error
    facts = json.loads((folder / "report.json").read_text())
    counts = facts["counts"]
    assert counts["complete"] + counts["failed"] == 8
    assert counts["running"] == 0
    said = {trial["said"] for trial in facts["trials"] if trial["state"] == "tried again"}
    assert any("SIGKILL" in sentence for sentence in said), said
    assert len(facts["best"]["by_seed"]) == 2
    assert facts["best"]["value"] == pytest.approx(sum(facts["best"]["by_seed"]) / 2)
    kept = {path.name for path in (folder / "best").rglob("*") if path.is_file()}
    assert kept == {"student.keras", "history.csv", "student_int8.tflite"}

    # What it found runs, on samples that can be evaluated, and is compared in a study.
    write_samples(tmp_path / "samples.npz", test_type=np.uint8)
    code, out, error = finish("run", tmp_path / "run", "--config", folder / "best.yaml")
    assert code == 0, error
    assert "kd" in out
    (folder / "study.yaml").write_text("base: best.yaml\narms: [kd]\nseeds: [0]")
    code, _, error = finish("study", folder / "study.yaml", "--folder", tmp_path / "study")
    assert code == 0, error
    assert len(list((tmp_path / "study" / "runs").glob("*.json"))) == 2
