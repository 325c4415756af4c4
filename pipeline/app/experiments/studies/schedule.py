"""Which task comes next: each teacher before its students, nothing twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from hintlite.pipeline.app.experiments.queue.held import is_held
from hintlite.pipeline.app.experiments.queue.pool import BUSY, DONE, Outcome
from hintlite.pipeline.app.experiments.studies.layout import Layout
from hintlite.pipeline.app.experiments.studies.plan import Plan, Run
from hintlite.pipeline.app.experiments.studies.records import STUDENT, TEACHER
from hintlite.pipeline.app.experiments.studies.task import Task, is_done, said_of, tidy

AGAIN_S = 5.0  # until a run that another process is doing is looked at again


@dataclass
class Schedule:
    """What is left of a study.

    Attributes:
        tasks: still to be begun, in their order.
        say: is told of runs that another command has finished.
        complete: runs that are finished.
        failures: title -> why.
    """

    tasks: list[Task]
    say: Callable[[str], None]
    complete: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    _active: dict[str, Task] = field(default_factory=dict)
    _later: dict[str, float] = field(default_factory=dict)  # what others do: when to look again

    def take(self) -> Task | None:
        """The first task that can be begun: free, and its teacher there."""
        waiting = {t.id for t in (*self.tasks, *self._active.values()) if t.kind == TEACHER}
        for task in self.tasks:
            if task.kind == STUDENT and task.teacher in waiting:
                continue
            if time.monotonic() < self._later.get(task.id, 0.0):
                continue
            if is_held(task.place):
                self._later[task.id] = time.monotonic() + AGAIN_S
                continue
            self._later.pop(task.id, None)
            self.tasks.remove(task)
            if is_done(task):  # by another command, in the meantime
                self.complete += task.kind == STUDENT
                self.say(f"{task.title}: {said_of(task)}")
                return self.take()
            self._active[task.id] = task
            return task
        return None

    def waits(self) -> bool:
        """Whether others are doing what is left."""
        return bool(self.tasks)

    def end(self, task: Task, outcome: Outcome) -> str | None:
        """Takes a task off the list, or puts it back if another process is doing it."""
        del self._active[task.id]
        if outcome.state == BUSY:
            self.tasks.append(task)
            self._later[task.id] = time.monotonic() + AGAIN_S
            return None
        if outcome.state == DONE:
            self.complete += task.kind == STUDENT
            return f"{task.title}: {outcome.said}"
        self.failures[task.title] = outcome.said
        if task.kind == TEACHER:
            self._give_up(task)
        return f"{task.title}: FAILED: {outcome.said}"

    def finished(self) -> int:
        """How many runs are finished."""
        return self.complete

    def elsewhere(self) -> int:
        """How many tasks other commands are doing."""
        return len(self._later)

    def give_back(self, tasks: list[Task]) -> None:
        """Nothing is to be done: a run that was cut short goes on from its folder."""

    def _give_up(self, teacher: Task) -> None:
        """Without its teacher a student cannot be trained."""
        lost = [t for t in self.tasks if t.kind == STUDENT and t.teacher == teacher.id]
        for task in lost:
            self.tasks.remove(task)
            self.failures[task.title] = f"not begun, for {teacher.title} failed"


def schedule(plan: Plan, layout: Layout, keep: str, say: Callable[[str], None]) -> Schedule:
    """The tasks without a record, and the teachers that they need.

    What an earlier command had no time to clear away is cleared away.
    """
    several = len({run.teacher_seed for run in plan.runs}) > 1
    missing = []
    for run in plan.runs:
        task = _student(run, layout, keep, several)
        if not is_done(task):
            missing.append(task)
        elif not is_held(task.place):
            tidy(task)
    needed = dict.fromkeys(task.teacher for task in missing)
    teachers = [_teacher(key, plan, layout, keep) for key in needed]
    left = [task for task in teachers if not is_done(task)] + missing
    return Schedule(left, say, len(plan.runs) - len(missing))


def _student(run: Run, layout: Layout, keep: str, several_teachers: bool) -> Task:
    by = f", teacher seed {run.teacher_seed}" if several_teachers else ""
    return Task(
        STUDENT,
        run.id,
        run.teacher,
        str(layout.folder),
        str(layout.results),
        asdict(run.config),
        keep,
        f"{run.arm}, seed {run.seed}{by}",
    )


def _teacher(key: str, plan: Plan, layout: Layout, keep: str) -> Task:
    settings, title = asdict(plan.teachers[key]), _teacher_title(key, plan)
    return Task(TEACHER, key, key, str(layout.folder), str(layout.results), settings, keep, title)


def _teacher_title(key: str, plan: Plan) -> str:
    """With its arms where the study's arms do not share their teacher."""
    arms = dict.fromkeys(run.arm for run in plan.runs if run.teacher == key)
    seed = next(run.teacher_seed for run in plan.runs if run.teacher == key)
    shared = len(arms) == len({run.arm for run in plan.runs})
    return f"teacher, seed {seed}" + ("" if shared else f", of {', '.join(arms)}")
