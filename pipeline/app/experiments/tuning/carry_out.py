"""Doing the trials, several at a time, until all are done or the time is up."""

from __future__ import annotations

import time
from dataclasses import dataclass

from hintlite.pipeline.app.experiments.queue.display import Display
from hintlite.pipeline.app.experiments.queue.pool import DONE, Outcome
from hintlite.pipeline.app.experiments.queue.processes import Processes
from hintlite.pipeline.app.experiments.tuning.task import BLOCKED, PRUNED, REFUSED, TrialTask
from hintlite.pipeline.app.experiments.tuning.trials import Trials
from hintlite.pipeline.app.run.folder import RunError

PAUSE_S = 0.5


class TeacherError(RunError):
    """The teacher of all trials cannot be trained."""


class BlockedError(RunError):
    """Something outside the settings stands in the way of every trial."""


class TuneDisplay(Display):
    """The display of a study, which counts trials."""

    unit = "trials"

    def told(self, text: str, finished: int) -> None:
        """A trial has ended."""
        self._finished = finished
        self._say(f"{text} ({finished} of {self._total})")


@dataclass
class Clock:
    """Whether there is time for another trial.

    Args:
        minutes: for new trials; None for no end.
    """

    minutes: float | None

    def __post_init__(self) -> None:
        """Begins to count."""
        self._began = time.monotonic()

    @property
    def over(self) -> bool:
        """Whether no further trial may be begun."""
        return self.minutes is not None and time.monotonic() - self._began > 60 * self.minutes


def carry_out(
    trials: Trials, crew: Processes[TrialTask], display: TuneDisplay, clock: Clock
) -> None:
    """Trains the teacher, then trial after trial.

    Raises:
        TeacherError: without a teacher there is nothing to try.
        BlockedError: a trial met what the others would meet too; they are gone on with by the next
            command.
    """
    active: dict[int, TrialTask] = {}
    try:
        _train_teacher(trials, crew, display)
        while True:
            _fill(trials, crew, active, clock)
            if not active:
                return
            for task, ended in crew.finished(PAUSE_S):
                outcome = _judged(task, ended, trials)
                trials.end(task, outcome)
                del active[task.number]
                display.told(f"{task.title}: {_words(outcome, trials, task)}", trials.finished())
            _show(display, list(active.values()), trials)
    finally:
        if active:  # Ctrl-C, something in the way of all, or a failure of our own
            crew.stop()
            trials.give_back(list(active.values()))


def _judged(task: TrialTask, outcome: Outcome, trials: Trials) -> Outcome:
    """The outcome; one that every trial would have is none of this trial's."""
    if outcome.state != BLOCKED:
        return outcome
    if trials.searches_samples:  # other settings of the data may still work
        return Outcome(REFUSED, outcome.said)
    raise BlockedError(
        f"{task.title}: {outcome.said}\nno trial is lost: once this is mended, the same command "
        "goes on"
    )


def _train_teacher(trials: Trials, crew: Processes[TrialTask], display: TuneDisplay) -> None:
    """The teacher of the base; a search that changes the teacher trains more, one a trial."""
    task = trials.teacher()
    crew.start(task)
    while not (ended := crew.finished(PAUSE_S)):
        display.show([(task.title, task.place)], {})
    ((_, outcome),) = ended
    if outcome.state != DONE:
        raise TeacherError(f"the teacher: {outcome.said}")


def _fill(
    trials: Trials, crew: Processes[TrialTask], active: dict[int, TrialTask], clock: Clock
) -> None:
    """Begins trials as long as processes are free."""
    while len(active) < crew.size and not clock.over:
        task = trials.take()
        if task is None:
            return
        active[task.number] = task
        crew.start(task)


def _show(display: TuneDisplay, active: list[TrialTask], trials: Trials) -> None:
    if active:
        others = trials.elsewhere()
        display.show(
            [(t.title, t.place) for t in active], dict.fromkeys(map(str, range(others)), 0.0)
        )


def _words(outcome: Outcome, trials: Trials, task: TrialTask) -> str:
    if outcome.state == DONE:
        value = trials.study.trials[task.number].values[0]
        return f"{task.objective} validation accuracy {100 * value:.2f} %"
    if outcome.state == PRUNED:
        return "given up, others were better at this epoch"
    if outcome.state == REFUSED:
        return f"refused: {outcome.said}"
    return f"FAILED: {outcome.said}"
