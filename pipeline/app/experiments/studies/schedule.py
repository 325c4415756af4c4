"""Which task comes next: each teacher before its students, nothing twice."""

from __future__ import annotations

import fcntl
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hintlite.pipeline.app.experiments.queue.display import Display
from hintlite.pipeline.app.experiments.queue.pool import BUSY, DONE, Crew, Outcome
from hintlite.pipeline.app.experiments.studies.layout import Layout
from hintlite.pipeline.app.experiments.studies.plan import Plan, Run
from hintlite.pipeline.app.experiments.studies.records import STUDENT, TEACHER
from hintlite.pipeline.app.experiments.studies.work import Task, is_done, tidy

PAUSE_S = 0.5
AGAIN_S = 5.0  # until a run that another process is doing is looked at again


@dataclass
class Schedule:
    """What is left of a study.

    Attributes:
        tasks: still to be begun, in their order.
        titles: task id -> what it is, for people.
        failures: title -> why.
    """

    tasks: list[Task]
    titles: dict[str, str]
    failures: dict[str, str] = field(default_factory=dict)


def schedule(plan: Plan, layout: Layout, keep: str) -> Schedule:
    """The tasks without a record, and the teachers that they need.

    What an earlier command had no time to clear away is cleared away.
    """
    students = [_student(run, layout, keep) for run in plan.runs]
    missing = []
    for task in students:
        if not is_done(task):
            missing.append(task)
        elif not is_held(task.place):
            tidy(task)
    needed = dict.fromkeys(task.teacher for task in missing)
    teachers = [_teacher(key, plan, layout, keep) for key in needed]
    several = len({run.teacher_seed for run in plan.runs}) > 1
    titles = {run.id: _student_title(run, several) for run in plan.runs}
    titles |= {key: _teacher_title(key, plan) for key in needed}
    return Schedule([task for task in teachers if not is_done(task)] + missing, titles)


def carry_out(left: Schedule, crew: Crew, display: Display) -> None:
    """Does every task; one that fails does not stop the others."""
    active: dict[str, Task] = {}
    later: dict[str, float] = {}  # tasks that others are doing, and when to look again
    while left.tasks or active:
        while len(active) < crew.size and (task := _next(left, active, later)):
            left.tasks.remove(task)
            if is_done(task):  # by another command, in the meantime
                _note(left, task, Outcome(DONE), later, display)
                continue
            active[task.id] = task
            crew.start(task)
        for task, outcome in _finished(crew, active):
            del active[task.id]
            _note(left, task, outcome, later, display)
        display.show([(left.titles[task.id], task.place) for task in active.values()], later)


def is_held(folder: Path) -> bool:
    """Whether a process is working in a run folder."""
    try:
        with (folder / ".lock").open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _finished(crew: Crew, active: dict[str, Task]) -> list[tuple[Task, Outcome]]:
    if active:
        return crew.finished(PAUSE_S)
    time.sleep(PAUSE_S)  # others do all that is left
    return []


def _next(left: Schedule, active: dict[str, Task], later: dict[str, float]) -> Task | None:
    """The first task that can be begun: free, and its teacher there."""
    waiting = {t.id for t in (*left.tasks, *active.values()) if t.kind == TEACHER}
    for task in left.tasks:
        if task.kind == STUDENT and task.teacher in waiting:
            continue
        if time.monotonic() < later.get(task.id, 0.0):
            continue
        if not is_held(task.place):
            later.pop(task.id, None)
            return task
        later[task.id] = time.monotonic() + AGAIN_S
    return None


def _note(
    left: Schedule, task: Task, outcome: Outcome, later: dict[str, float], display: Display
) -> None:
    """Takes a task off the list, or puts it back if another process is doing it."""
    title = left.titles[task.id]
    if outcome.state == BUSY:
        left.tasks.append(task)
        later[task.id] = time.monotonic() + AGAIN_S
    elif outcome.state == DONE:
        display.done(title, task)
    else:
        left.failures[title] = outcome.said
        display.failed(title, outcome.said)
        if task.kind == TEACHER:
            _give_up(left, task, title)


def _give_up(left: Schedule, teacher: Task, title: str) -> None:
    """Without its teacher a student cannot be trained."""
    lost = [t for t in left.tasks if t.kind == STUDENT and t.teacher == teacher.id]
    for task in lost:
        left.tasks.remove(task)
        left.failures[left.titles[task.id]] = f"not begun, for {title} failed"


def _student(run: Run, layout: Layout, keep: str) -> Task:
    return Task(
        STUDENT,
        run.id,
        run.teacher,
        str(layout.folder),
        str(layout.results),
        asdict(run.config),
        keep,
    )


def _teacher(key: str, plan: Plan, layout: Layout, keep: str) -> Task:
    settings = asdict(plan.teachers[key])
    return Task(TEACHER, key, key, str(layout.folder), str(layout.results), settings, keep)


def _student_title(run: Run, several_teachers: bool) -> str:
    by = f", teacher seed {run.teacher_seed}" if several_teachers else ""
    return f"{run.arm}, seed {run.seed}{by}"


def _teacher_title(key: str, plan: Plan) -> str:
    """With its arms where the study's arms do not share their teacher."""
    arms = dict.fromkeys(run.arm for run in plan.runs if run.teacher == key)
    seed = next(run.teacher_seed for run in plan.runs if run.teacher == key)
    shared = len(arms) == len({run.arm for run in plan.runs})
    return f"teacher, seed {seed}" + ("" if shared else f", of {', '.join(arms)}")
