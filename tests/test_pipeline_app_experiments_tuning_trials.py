"""The list of trials in its real storage, shared, with trials that are ended by hand."""

import json

import pytest
import yaml
from tune_command import require_optuna

from hintlite.errors import DataError, SettingsError
from hintlite.pipeline.app.experiments.queue.carry_out import carry_out
from hintlite.pipeline.app.experiments.queue.display import Display
from hintlite.pipeline.app.experiments.queue.pool import DONE, FAILED, Outcome
from hintlite.pipeline.app.experiments.tuning.definition import read_tuning
from hintlite.pipeline.app.experiments.tuning.jobs import BlockedError, Clock, TrialJobs
from hintlite.pipeline.app.experiments.tuning.layout import Layout
from hintlite.pipeline.app.experiments.tuning.summary import (
    best_settings,
    findings,
    standard_error,
    summary,
)
from hintlite.pipeline.app.experiments.tuning.task import BLOCKED, PRUNED, REFUSED, TEACHER
from hintlite.pipeline.app.experiments.tuning.trial import HopelessError, reports
from hintlite.pipeline.app.experiments.tuning.trials import TRIES, Trials, best_of
from hintlite.pipeline.app.experiments.tuning.worker import answer
from hintlite.pipeline.app.run.console import Terminal
from hintlite.pipeline.app.run.folder import RunError
from hintlite.pipeline.qat.launch import MissingPackagesError
from hintlite.pipeline.training.train import TrainingError

optuna = require_optuna()
IDENTITY = {"arm": "kd", "search": "this"}
SEARCH = {
    "training.learning_rate": {"low": 0.001, "high": 0.01, "log": True},
    "hint.epochs": {"low": 1, "high": 6},
}


@pytest.fixture
def begin(tmp_path):
    """A tuning in a folder, opened as often as one likes."""

    def beginning(identity=IDENTITY, said=None, **fields):
        path = tmp_path / "tiny.yaml"
        fields["base"] = {"data": {"source": "digits"}} | fields.get("base", {})
        path.write_text(yaml.safe_dump({"arm": "hint+kd", "trials": 4, "search": SEARCH} | fields))
        say = print if said is None else said.append
        trials = Trials(read_tuning(path), Layout(tmp_path), say)
        trials.begin(identity, samples=100)
        return trials

    return beginning


def done(value):
    """The outcome of a trial that came to its end."""
    return Outcome(DONE, json.dumps({"value": value, "by_seed": [value], "parameters": 7}))


def states(trials):
    return [trial.state.name for trial in trials.study.trials]


def test_the_base_comes_first_and_processes_share_the_trials(begin):
    one, other = begin(), begin()
    first, second = one.take(), other.take()
    assert [first.number, second.number] == [0, 1]
    assert first.settings["training"]["learning_rate"] == 5e-3
    assert first.settings["hint"]["epochs"] == 4
    drawn = second.settings["training"]["learning_rate"]
    assert 0.001 <= drawn <= 0.01
    assert one.elsewhere() == other.elsewhere() == 1
    third, fourth = one.take(), one.take()
    assert len({t.settings["training"]["learning_rate"] for t in (second, third, fourth)}) == 3
    assert other.take() is None
    for trials, task in ((one, first), (other, second), (one, third), (one, fourth)):
        trials.end(task, done(0.5))
    assert one.finished() == 4


def test_a_killed_process_s_trial_is_tried_again_in_its_folder(begin):
    lost, other = begin(), begin()
    said = []
    task = lost.take()
    (task.place / "half").mkdir()
    other.settle()
    assert states(other) == ["RUNNING"]  # held: it is under way
    lost._release(task.number)  # as the kernel does when the process ends
    again = begin(said=said).take()
    assert (again.number, again.origin, again.settings) == (1, 0, task.settings)
    assert states(other) == ["FAIL", "RUNNING"]
    assert (again.place / "half").exists()
    assert "tried again" in said[0]
    assert other.finished() == 0


def test_a_trial_that_kills_its_process_each_time_is_given_up(begin):
    trials = begin(trials=1)
    for _ in range(TRIES):
        task = trials.take()
        assert task.origin == 0
        trials.end(task, Outcome(FAILED, "its process was ended by SIGKILL"))
    assert trials.take() is None
    assert (trials.finished(), states(trials)) == (1, ["FAIL"] * TRIES)
    assert not task.place.exists()


def test_interrupted_trials_go_on_as_often_as_one_likes(begin):
    trials = begin()
    for number in range(TRIES + 1):
        task = trials.take()
        assert (task.number, task.origin) == (number, 0)
        trials.give_back([task])
    assert trials.take().origin == 0


def test_what_cannot_work_fails_the_trial_and_not_the_tuning(begin):
    said = []
    search = {"kd.temperature": {"choices": [0, 3]}, "kd.label_weight": {"choices": [-1, 1]}}
    trials = begin(said=said, search=search, trials=6)
    while task := trials.take():
        trials.end(task, Outcome(REFUSED, "the loss is not a finite number"))
    sentences = {trial.user_attrs.get("said") for trial in trials.study.trials}
    assert {"FAIL"} == set(states(trials))
    assert any("kd.temperature must be above 0; got 0" in str(each) for each in sentences)
    assert "the loss is not a finite number" in sentences
    assert any("refused: kd." in line for line in said)


def test_the_same_point_is_not_trained_twice(begin):
    trials = begin(search={"kd.temperature": {"choices": [2, 3]}}, trials=5)
    trained = 0
    while task := trials.take():
        trained += 1
        trials.end(task, done(task.settings["kd"]["temperature"] / 10))
    assert (trained, trials.finished()) == (2, 5)
    facts = summary(trials.tuning, trials.study)
    assert facts["importance"] is None  # two different trials are too few
    assert facts["best"]["value"] == 0.3
    assert sum(trial["same_as"] is not None for trial in facts["trials"]) == 3


def test_a_refused_point_is_not_trained_twice_either(begin):
    trials = begin(search={"kd.temperature": {"choices": [2, 3]}}, trials=4)
    trained = 0
    while task := trials.take():
        trained += 1
        trials.end(task, Outcome(REFUSED, "the loss is not a finite number"))
    found = summary(trials.tuning, trials.study)["trials"]
    assert (trained, len(found)) == (2, 4)
    assert {(t["state"], t["said"]) for t in found} == {
        ("failed", "the loss is not a finite number")
    }
    assert {t["same_as"] for t in found} - {None} <= {found[0]["number"], found[1]["number"]}


class Scripted:
    """Ends each trial as a list says: what runs in a worker is not what is tested here."""

    size = 1

    def __init__(self, *outcomes):
        self.outcomes, self.task = list(outcomes), None

    def start(self, task):
        self.task = task

    def finished(self, timeout_s):
        done = self.task.number == TEACHER
        return [(self.task, Outcome(DONE) if done else self.outcomes.pop(0))]

    def stop(self):
        pass


def display(trials):
    return Display(Terminal(), "trials", trials.tuning.trials, 0)


def test_what_stands_in_the_way_of_all_stops_the_command_and_costs_no_trial(begin):
    trials = begin(trials=2)
    pool = Scripted(done(0.5), Outcome(BLOCKED, "No space left on device"))
    with (
        display(trials) as shown,
        pytest.raises(BlockedError, match=r"No space left(.|\n)*goes on"),
    ):
        carry_out(TrialJobs(trials, Clock(None)), pool, shown)
    assert trials.finished() == 1
    again = trials.take()
    assert (again.number, again.origin) == (2, 1)  # the same trial, in its folder


def test_samples_that_fail_a_trial_fail_only_it_where_the_data_is_searched(begin):
    trials = begin(trials=2, search={"data.calibration_samples": {"choices": [8, 9]}})
    with display(trials) as shown:
        pool = Scripted(Outcome(BLOCKED, "too few"), done(0.5))
        carry_out(TrialJobs(trials, Clock(None)), pool, shown)
    assert states(trials) == ["FAIL", "COMPLETE"]


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (OSError(28, "No space left on device"), BLOCKED),
        (DataError("photos/ is not there"), BLOCKED),
        (RunError("the teacher's files were changed"), BLOCKED),
        (MissingPackagesError("pip install tf_keras"), BLOCKED),
        (SettingsError("kd.temperature must be above 0"), REFUSED),
        (TrainingError("the loss is not a finite number"), REFUSED),
        (ValueError("a shape that does not fit"), REFUSED),
        (MemoryError(), FAILED),
    ],
)
def test_only_settings_fail_a_trial_for_good(begin, monkeypatch, error, state):
    def ends(task, told):
        raise error

    monkeypatch.setattr("hintlite.pipeline.app.experiments.tuning.worker.do", ends)
    assert answer(begin().take().request(), None)[0] == state


def test_the_standard_error_is_never_nought():
    assert standard_error(1.0, 96) == pytest.approx((0.98 * 0.02 / 100) ** 0.5)
    assert standard_error(0.9355, 6000) == pytest.approx((0.9355 * 0.0645 / 6000) ** 0.5, rel=0.01)


@pytest.mark.whole
def test_every_combination_of_choices_is_tried_while_none_has_ended_yet(begin):
    search = {
        "kd.temperature": {"choices": [2, 3]},
        "student": {"choices": [{"widths": [4, 4, w], "times_fewer": None} for w in (4, 6, 8)]},
    }
    trials = begin(search=search, trials=6)
    tasks = [trials.take() for _ in range(6)]
    assert trials.tuning.base_values()["kd.temperature"] == 3
    points = {(t.settings["kd"]["temperature"], t.settings["student"]["widths"][2]) for t in tasks}
    assert points == {(2, 4), (2, 6), (2, 8), (3, 4), (3, 6), (3, 8)}
    trials.give_back(tasks[4:5])
    again = trials.take()
    assert (again.origin, again.settings) == (tasks[4].number, tasks[4].settings)
    assert trials.take() is None


def test_a_choice_that_changes_nothing_is_the_base_and_comes_first(begin):
    small, same = {"widths": [4, 4, 4]}, {"widths": [4, 4, 8], "times_fewer": None}
    base = {"student": {"widths": [4, 4, 8], "depths": [1, 1, 1], "times_fewer": None}}
    refused = {"widths": [4, 4]}  # two widths for three depths
    search = {"student": {"choices": [small, refused, same]}}
    trials = begin(base=base, search=search, trials=3)
    assert trials.tuning.base_values() == {"student": same}
    first = trials.take()
    assert first.settings["student"]["widths"] == (4, 4, 8)
    trials.end(first, done(0.5))
    assert summary(trials.tuning, trials.study)["base"] == {"student": same}


def test_the_best_student_stays_and_nothing_of_the_others(begin):
    trials = begin()
    for value in (0.6, 0.8, 0.7):
        task = trials.take()
        made = task.place / "seed-0" / "distill" / "kd"
        made.mkdir(parents=True)
        (made / "student.keras").write_text(str(value))
        trials.end(task, done(value))
    pruned = trials.take()
    (pruned.place / "seed-0").mkdir()
    trials.end(pruned, Outcome(PRUNED))
    assert [path.name for path in trials.layout.best.iterdir()] == ["trial-0001"]
    kept = trials.layout.best / "trial-0001" / "seed-0" / "student.keras"
    assert kept.read_text() == "0.8"
    assert not list(trials.layout.works.iterdir())
    trials.settle()
    assert kept.exists()


def test_other_settings_are_not_mixed_with_these_trials(begin):
    begin()
    begin(identity=IDENTITY, trials=9)  # more trials are the same tuning
    with pytest.raises(SettingsError, match=r"other settings \(search\), whose accuracies cannot"):
        begin(identity=IDENTITY | {"search": "that"})


def epoch_row(epoch, **figures):
    return {"phase": "task", "epoch": epoch, "val_loss": 1.0, "val_accuracy": 0.5} | figures


def test_a_trial_below_the_median_is_given_up_and_a_good_one_is_not(begin):
    trials = begin(pruning={"trials": 2, "epochs": 2}, base={"training": {"epochs": 3}})

    def train(*accuracies):
        task = trials.take()
        trial = optuna.trial.Trial(trials.study, trials.study.trials[task.number]._trial_id)
        told = reports(trial, 3, "accuracy")(0, [])
        told({"phase": "pretrain", "epoch": 1, "val_loss": 9.0})
        for epoch, accuracy in enumerate(accuracies, start=1):
            told(epoch_row(epoch, val_accuracy=accuracy))
        told(epoch_row(1, val_accuracy=0.0))  # replayed: known already
        return task

    for task in (train(0.1, 0.5, 0.9), train(0.1, 0.6, 0.9)):
        trials.end(task, done(0.9))
    with pytest.raises(HopelessError):
        train(0.05, 0.2, 0.9)
    assert trials.study.trials[2].intermediate_values == {1: 0.05, 2: 0.2}
    trials.end(train(0.05, 0.7, 0.1), done(0.7))


def test_a_second_seed_is_reported_as_the_mean_with_those_before_it(begin):
    trials = begin(seeds=[0, 1])
    task = trials.take()
    trial = optuna.trial.Trial(trials.study, trials.study.trials[task.number]._trial_id)
    reports(trial, 20, "accuracy")(1, [0.8])(epoch_row("3", val_accuracy="0.6"))
    assert trials.study.trials[0].intermediate_values == {23: pytest.approx(0.7)}


@pytest.mark.parametrize(
    ("by", "expected"), [("balanced_accuracy", 0.4), ("f1", 0.3), ("loss", -0.7)]
)
def test_a_trial_is_scored_by_what_chooses_its_epoch(begin, by, expected):
    trials = begin(base={"training": {"choose_by": by}})
    task = trials.take()
    assert task.chosen_by == by
    trial = optuna.trial.Trial(trials.study, trials.study.trials[task.number]._trial_id)
    row = {"val_balanced_accuracy": "0.4", "val_macro_f1": "0.3", "val_ce": "0.7"}
    reports(trial, 20, by)(0, [])(epoch_row(1, **row))
    assert trials.study.trials[0].intermediate_values == {1: pytest.approx(expected)}


def test_a_summary_by_loss_tells_the_loss(begin):
    trials = begin(trials=2, base={"training": {"choose_by": "loss"}})
    values = iter((-0.5, -0.25))
    while task := trials.take():
        trials.end(task, done(next(values)))
    facts = summary(trials.tuning, trials.study)
    assert facts["findings"] == [
        "2 of 2 trials: 2 complete, 0 given up early, 0 failed",
        "best: trial 1 with 0.2500, 0.2500 below the base (0.5000)",
    ]
    assert "float validation cross-entropy 0.2500" in best_settings(trials.tuning, facts)


@pytest.mark.whole
def test_the_summary_weighs_the_best_against_its_neighbours_and_the_base(begin):
    trials = begin(trials=5)
    values = iter((0.80, 0.90, 0.89, 0.5, 0.6))
    while task := trials.take():
        trials.end(task, done(next(values)))
    facts = summary(trials.tuning, trials.study)
    assert best_of(trials.study.trials).number == facts["best"]["number"] == 1
    # 92 of 104, with two right and two wrong added: sqrt(0.885 * 0.115 / 104) = 3.13 points.
    assert (
        findings(facts)
        == facts["findings"]
        == [
            "5 of 5 trials: 5 complete, 0 given up early, 0 failed",
            "best: trial 1 with 90.00 %, 10.00 points above the base (80.00 %)",
            "1 other trial(s) lie within the best one's standard error of 3.13 points, which 100 "
            "validation samples give",
        ]
    )
    assert set(facts["importance"]) == set(SEARCH)
    assert sum(facts["importance"].values()) == pytest.approx(1)
    text = best_settings(trials.tuning, facts)
    read = yaml.safe_load(text)
    assert read["hint"]["epochs"] == facts["best"]["values"]["hint.epochs"]
    assert (read["arms"], read["teacher_seed"]) == (["hint+kd"], 0)
    assert text.startswith("# The best of 5 complete trials")
