"""What is left of a tuning: its teacher, then trial after trial, until the time is up."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from hintlite.errors import HintliteError
from hintlite.pipeline.app.experiments.queue.pool import DONE, Outcome
from hintlite.pipeline.app.experiments.tuning.task import (
    BLOCKED,
    PRUNED,
    REFUSED,
    TEACHER,
    TrialTask,
)
from hintlite.pipeline.app.experiments.tuning.trials import Trials
from hintlite.pipeline.report.tuning.score import TITLES, shown


class TeacherError(HintliteError):
    """The teacher of all trials cannot be trained."""


class BlockedError(HintliteError):
    """Something outside the settings stands in the way of every trial."""


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


@dataclass
class TrialJobs:
    """The trials of this process.

    The teacher of the base comes first and alone; a search that changes the teacher trains more,
    one a trial.

    Args:
        trials: the list that all processes share.
        clock: how long trials are begun.
    """

    trials: Trials
    clock: Clock
    _teacher: TrialTask | None = field(init=False)
    _training: bool = False

    def __post_init__(self) -> None:
        """The teacher is the first job."""
        self._teacher = self.trials.teacher()

    def take(self) -> TrialTask | None:
        """The teacher; once it is there, the next trial."""
        if self._training:
            return None
        if self._teacher is not None:
            task, self._teacher, self._training = self._teacher, None, True
            return task
        return None if self.clock.over else self.trials.take()

    def waits(self) -> bool:
        """Trials of other commands that end without a result are tried by the next command."""
        return False

    def end(self, task: TrialTask, outcome: Outcome) -> str | None:
        """Writes down how a trial ended.

        Raises:
            TeacherError: without a teacher there is nothing to try.
            BlockedError: the trial met what the others would meet too.
        """
        if task.number == TEACHER:
            self._training = False
            if outcome.state != DONE:
                raise TeacherError(f"the teacher: {outcome.said}")
            return None
        if outcome.state == BLOCKED:
            outcome = self._unblocked(task, outcome)
        self.trials.end(task, outcome)
        return f"{task.title}: {self._words(task, outcome)}"

    def finished(self) -> int:
        """How many trials count as done, over all commands."""
        return self.trials.finished()

    def elsewhere(self) -> int:
        """How many trials other commands are doing."""
        return self.trials.elsewhere()

    def give_back(self, tasks: list[TrialTask]) -> None:
        """Interrupted trials: they are gone on with by the next command."""
        self.trials.give_back([task for task in tasks if task.number != TEACHER])

    def _unblocked(self, task: TrialTask, outcome: Outcome) -> Outcome:
        """The outcome of this trial alone, where other settings of the data may still work."""
        if self.trials.searches_samples:
            return Outcome(REFUSED, outcome.said)
        raise BlockedError(
            f"{task.title}: {outcome.said}\nno trial is lost: once this is mended, the same "
            "command goes on"
        )

    def _words(self, task: TrialTask, outcome: Outcome) -> str:
        if outcome.state == DONE:
            value = self.trials.study.trials[task.number].values[0]
            return f"{task.objective} {TITLES[task.chosen_by]} {shown(value, task.chosen_by)}"
        if outcome.state == PRUNED:
            return "given up, others were better at this epoch"
        if outcome.state == REFUSED:
            return f"refused: {outcome.said}"
        return f"FAILED: {outcome.said}"
