"""The list of trials: what comes next, how each ended, and whose process has died meanwhile.

Several processes share the list. Each change is made in a turn of its own (`Layout.turn`), and a
running trial is claimed by a lock that ends with its process, so that a killed one is found soon.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any

from hintlite.errors import SettingsError
from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.app.experiments.queue.held import is_held
from hintlite.pipeline.app.experiments.queue.pool import DONE, Outcome
from hintlite.pipeline.app.experiments.queue.progress import read_progress
from hintlite.pipeline.app.experiments.tuning import storage
from hintlite.pipeline.app.experiments.tuning.definition import Tuning, plain
from hintlite.pipeline.app.experiments.tuning.keep import keep_best
from hintlite.pipeline.app.experiments.tuning.layout import Layout
from hintlite.pipeline.app.experiments.tuning.task import PRUNED, REFUSED, TEACHER, TrialTask
from hintlite.pipeline.app.run.folder import RunError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

TRIES = 3  # of a trial whose process ends without an answer
KILLED = "its process was ended from outside"
# Attributes of a trial in the storage.
ORIGIN, DEATHS, SAID, AGAIN, FACTS, SAME = "origin", "deaths", "said", "again", "facts", "same_as"


class Trials:
    """The trials of one tuning.

    Args:
        tuning: what is searched.
        layout: where.
        say: is told of trials that end without a worker.
    """

    def __init__(self, tuning: Tuning, layout: Layout, say: Callable[[str], None]) -> None:
        self.tuning, self.layout, self._say = tuning, layout, say
        self._claims: dict[int, IO[str]] = {}
        with layout.turn():
            self.study = storage.open_study(layout.database, tuning.pruning)

    def begin(self, identity: Mapping[str, Any], samples: int) -> None:
        """Makes sure that the storage holds this very tuning; the base is its first trial.

        Args:
            identity: all that decides a trial's value, in parts.
            samples: of the validation part.

        Raises:
            SettingsError: the folder holds the trials of another one.
        """
        with self.layout.turn():
            stored = self.study.user_attrs.get("identity")
            if stored is None:
                self._enqueue_base()
                self.study.set_user_attr("validation_samples", samples)
                self.study.set_user_attr("identity", dict(identity))
                return
        changed = [part for part in identity if stored.get(part) != plain(identity[part])]
        if changed:
            raise SettingsError(
                f"{self.layout.folder} holds the trials of other settings ({', '.join(changed)}), "
                "whose accuracies cannot be compared: restore them, or name another --folder"
            )

    @property
    def searches_samples(self) -> bool:
        """Whether settings of the data are searched, so that samples may fail one trial alone."""
        return any(name.split(".")[0] == "data" for name in self.tuning.search)

    def finished(self) -> int:
        """How many trials count as done."""
        return sum(_counts(trial) for trial in self.study.trials if trial.state.is_finished())

    def elsewhere(self) -> int:
        """How many trials other commands are doing."""
        return sum(
            trial.state.name == "RUNNING" and trial.number not in self._claims
            for trial in self.study.trials
        )

    def take(self) -> TrialTask | None:
        """The next trial to train, claimed for this process; None if there is none left.

        Trials that need no training, since their settings cannot work or were tried before, are
        ended on the way.
        """
        while True:
            with self.layout.turn():
                self._free_the_dead()
                begun = [t for t in self.study.trials if t.state.name != "WAITING" and _counts(t)]
                if len(begun) >= self.tuning.trials:
                    return None
                task = self._ask()
            if task is not None:
                return task

    def teacher(self) -> TrialTask:
        """The task of training the teacher of the base."""
        return self._task(TEACHER, TEACHER, {})

    def end(self, task: TrialTask, outcome: Outcome) -> None:
        """Writes down how a trial of this process ended."""
        with self.layout.turn():
            if outcome.state == DONE:
                self._note(task, **{FACTS: json.loads(outcome.said)})
                self.study.tell(task.number, json.loads(outcome.said)["value"])
            elif outcome.state == PRUNED:
                self._note(task, **{FACTS: _time(task)})
                self.study.tell(task.number, state=_state("PRUNED"))
            elif outcome.state == REFUSED:
                self._note(task, **{SAID: outcome.said, FACTS: _time(task)})
                self.study.tell(task.number, state=_state("FAIL"))
            else:
                self._again(self.study.trials[task.number], outcome.said, deaths=1)
            self._release(task.number)
            self._settle()

    def give_back(self, tasks: list[TrialTask]) -> None:
        """Interrupted trials: they are gone on with by the next command."""
        with self.layout.turn():
            for task in tasks:
                trial = self.study.trials[task.number]
                if not trial.state.is_finished():  # Ctrl-C can come while its end is written down
                    self._again(trial, "interrupted", deaths=0)
                self._release(task.number)

    def settle(self) -> None:
        """Frees dead trials, keeps the best student, and clears away the others."""
        with self.layout.turn():
            self._free_the_dead()
            self._settle()

    def _ask(self) -> TrialTask | None:
        """Begins a trial; None if it has ended already."""
        self._enqueue_untried()
        self.study.sampler = storage.sampler(len(self.study.trials))
        trial = self.study.ask(storage.distributions(self.tuning.search))
        origin = trial.user_attrs.get(ORIGIN, trial.number)
        found = storage.values(trial.params, self.tuning.search)
        try:
            task = self._task(trial.number, origin, found)
        except WrongUseError as error:
            trial.set_user_attr(SAID, str(error))
            self.study.tell(trial.number, state=_state("FAIL"))
            self._say(f"trial {trial.number}: refused: {error}")
            return None
        twin = self._twin(trial.params, origin)
        if twin is not None:
            self._copy(trial, twin)
            return None
        self._claims[trial.number] = self.layout.claim(origin)
        return task

    def _enqueue_untried(self) -> None:
        """Where the trials are enough for every combination, each is tried before any again.

        A sampler does not know what a trial that is still running will end with, so it may well
        propose the same values once more.
        """
        trials = self.study.trials
        if any(trial.state.name == "WAITING" for trial in trials):
            return
        tried = [trial.params for trial in trials]
        every = storage.points(self.tuning.search, self.tuning.trials)
        untried = next((point for point in every if point not in tried), None)
        if untried is not None:
            self.study.enqueue_trial(untried)

    def _task(self, number: int, origin: int, values: Mapping[str, Any]) -> TrialTask:
        settings = asdict(self.tuning.config(values))
        # What INT8 costs is measured; it does not end a trial.
        settings["quantize"] |= {"min_agreement": 0.0, "max_accuracy_drop": 100.0}
        settings["cache"]["folder"] = settings["cache"]["folder"] or str(self.layout.cache)
        tuning = self.tuning
        return TrialTask(
            number=number,
            origin=origin,
            folder=str(self.layout.folder),
            settings=settings,
            seeds=tuning.seeds,
            objective=tuning.objective,
            chosen_by=tuning.chosen_by,
            pruning=None if tuning.pruning is None else asdict(tuning.pruning),
        )

    def _twin(self, parameters: Mapping[str, Any], origin: int) -> FrozenTrial | None:
        """A trial with the same values that has ended for good."""
        for trial in self.study.trials:
            ended = trial.state.is_finished() and _counts(trial)
            if ended and trial.params == parameters and trial.user_attrs.get(ORIGIN) != origin:
                return trial
        return None

    def _copy(self, trial: Any, twin: FrozenTrial) -> None:
        trial.set_user_attr(SAME, twin.user_attrs.get(SAME, twin.number))
        for step, value in twin.intermediate_values.items():
            trial.report(value, step)
        if SAID in twin.user_attrs:
            trial.set_user_attr(SAID, twin.user_attrs[SAID])
        done = twin.state.name == "COMPLETE"
        self.study.tell(trial.number, twin.value if done else None, state=twin.state)
        self._say(f"trial {trial.number}: the values of trial {twin.number}, not trained again")

    def _free_the_dead(self) -> None:
        """Running trials that nobody holds: their process has ended without a word."""
        for trial in self.study.trials:
            if trial.state.name == "RUNNING":
                origin = trial.user_attrs.get(ORIGIN, trial.number)
                if not is_held(self.layout.work(origin)):
                    self._again(trial, KILLED, deaths=0)
                    self._say(f"trial {trial.number}: {KILLED}; tried again")

    def _again(self, trial: FrozenTrial, said: str, deaths: int) -> None:
        """Marks a trial as failed and, unless it kills its process each time, enqueues it."""
        died = trial.user_attrs.get(DEATHS, 0) + deaths
        origin = trial.user_attrs.get(ORIGIN, trial.number)
        again = died < TRIES
        attributes = {SAID: said, AGAIN: again}
        for name, value in attributes.items():
            self._storage.set_trial_user_attr(trial._trial_id, name, value)
        self.study.tell(trial.number, state=_state("FAIL"))
        if again:  # in this order no kill can enqueue it twice
            self.study.enqueue_trial(trial.params, user_attrs={ORIGIN: origin, DEATHS: died})

    def _settle(self) -> None:
        trials = self.study.trials
        best = best_of(trials)
        going_on = {
            trial.user_attrs.get(ORIGIN, trial.number)
            for trial in trials
            if not trial.state.is_finished()
        }
        if best is not None:
            keep_best(self.layout, best.number, best.user_attrs.get(ORIGIN, best.number))
        for work in sorted(self.layout.works.glob("[0-9]*")):
            if int(work.name) not in going_on and not is_held(work):
                shutil.rmtree(work, ignore_errors=True)

    def _enqueue_base(self) -> None:
        """The base is tried first, if the search contains it: what is found must beat it."""
        found = storage.parameters(self.tuning.base_values(), self.tuning.search)
        if found is not None:
            self.study.enqueue_trial(found)

    def _note(self, task: TrialTask, **attributes: Any) -> None:
        trial = self.study.trials[task.number]
        for name, value in attributes.items():
            self._storage.set_trial_user_attr(trial._trial_id, name, value)

    def _release(self, number: int) -> None:
        claim = self._claims.pop(number, None)
        if claim is not None:
            claim.close()

    @property
    def _storage(self) -> Any:
        return self.study._storage


def best_of(trials: list[FrozenTrial]) -> FrozenTrial | None:
    """The complete trial of the highest value, the first of several."""
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    return max(complete, key=lambda trial: trial.values[0], default=None)


def require_database(layout: Layout) -> None:
    """Refuses to report on a folder without trials.

    Raises:
        RunError: there are none.
    """
    if not layout.database.exists():
        raise RunError(f"{layout.folder} holds no trials: the command without --report begins them")


def _counts(trial: FrozenTrial) -> bool:
    """Whether it is one of the trials asked for, and not an earlier try of one."""
    return not trial.user_attrs.get(AGAIN, False)


def _time(task: TrialTask) -> dict[str, Any]:
    progress = read_progress(task.place)
    return {"seconds": round(progress.wall_s.get("trial", 0.0), 1)} if progress else {}


def _state(name: str) -> Any:
    return getattr(storage.library().trial.TrialState, name)
