"""One teacher or one student of a study, from its settings to its record."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

from hintlite.files import write_whole
from hintlite.pipeline.app.experiments.queue.progress import Reporter
from hintlite.pipeline.app.experiments.studies.layout import Layout
from hintlite.pipeline.app.experiments.studies.plan import short, student_identity, teacher_identity
from hintlite.pipeline.app.experiments.studies.records import (
    STUDENT,
    TEACHER,
    share_record,
)
from hintlite.pipeline.app.experiments.studies.task import Task, is_done, said_of, tidy
from hintlite.pipeline.app.run.cache_place import FOLDER as CACHE
from hintlite.pipeline.app.run.console import LOG, logged
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import RunError, RunFolder, hashes
from hintlite.pipeline.runs.layout import TEACHER as TEACHER_MODEL
from hintlite.pipeline.settings.run import RunConfig

TEACHER_STEPS = ("data", "teacher", "quantize", "evaluate")
STUDENT_STEPS = ("data", "distill", "quantize", "evaluate")


def do(task: Task) -> str:
    """Does a task, from where an earlier try has stopped.

    Returns:
        What there is to say of it.

    Raises:
        BusyError: another process is doing it.
        RunError, StageError, TrainingError, DataError, ...: it cannot be done.
    """
    from hintlite.pipeline.app.run.session import load_tensorflow
    from hintlite.pipeline.app.settings.text import config_from

    config = _with_shared_cache(config_from(task.settings), task.layout)
    place = RunFolder(task.place)
    with place.lock():
        if is_done(task):
            tidy(task)
            return said_of(task)
        with logged(place.path / LOG, verbose=False):
            reporter = Reporter(place.path)
            context = Context(config, place, reporter, models=_models(task))
            load_tensorflow(context)
            {TEACHER: _teach, STUDENT: _study}[task.kind](task, context, reporter)
    return said_of(task)


def _with_shared_cache(config: RunConfig, layout: Layout) -> RunConfig:
    """All runs of a study read the teacher's outputs from one place, unless the user named one."""
    if config.cache.folder is not None:
        return config
    return replace(config, cache=replace(config.cache, folder=str(layout.folder / CACHE)))


def _models(task: Task) -> tuple[str, ...]:
    """The one model of the run: the test data is asked about it and nothing else."""
    return (TEACHER_MODEL,) if task.kind == TEACHER else tuple(task.settings["arms"])


def check_teacher(task: Task, stages: tuple[str, ...]) -> None:
    """Makes sure that the teacher's files are those that its training wrote.

    Its key says that the settings are right, wherever the folder and the samples may lie now.

    Args:
        task: of a student.
        stages: the teacher's, one a member.

    Raises:
        RunError: they are not.
    """
    folder = RunFolder(task.layout.teacher(task.teacher))
    for stage in stages:
        if folder.outputs(stage) != hashes(folder.place(stage)):
            raise RunError(
                f"{folder.place(stage)}: the files are not those that the teacher's training "
                f"wrote: delete {folder.path}, and it is trained again"
            )


def _teach(task: Task, context: Context, reporter: Reporter) -> None:
    from hintlite.pipeline.app.experiments.studies import gather

    identity = teacher_identity(context)
    _same_data(task, identity)
    _steps(context, TEACHER_STEPS, reporter)
    weights = gather.weights_sha256(context)
    record = gather.record(
        context, TEACHER, identity, reporter.progress, key=task.id, weights_sha256=weights
    )
    text = _text(record)
    write_whole(task.layout.teacher_record(task.id), text)
    share_record(task.layout.record(record["id"]), text)


def _study(task: Task, context: Context, reporter: Reporter) -> None:
    from hintlite.pipeline.app.experiments.studies import gather

    check_teacher(task, context.teachers)
    _link_teacher(task)
    identity = student_identity(context)
    _same_data(task, identity)
    measured = _train_and_measure(context, reporter)
    record = gather.record(
        context,
        STUDENT,
        identity,
        reporter.progress,
        measured,
        arm=context.config.arms[0],
        seed=context.config.seed,
        teacher_seed=context.config.teacher_seed,
        teacher=_teacher_facts(task),
    )
    share_record(task.layout.record(task.id), _text(record))
    tidy(task)


def _train_and_measure(context: Context, reporter: Reporter) -> dict[str, Any] | None:
    """Does a student's stages; what is measured of one that has no INT8 file, else None."""
    from hintlite.deploy.convert.checks import DeadLayerError
    from hintlite.pipeline.app.experiments.studies import unquantized

    try:
        _steps(context, STUDENT_STEPS, reporter)
    except DeadLayerError as error:
        with reporter.stage("evaluate"):
            return unquantized.measure(context, str(error))
    return None


def _steps(context: Context, steps: tuple[str, ...], reporter: Reporter) -> None:
    from hintlite.pipeline.app.run.order import complete

    for step in steps:
        with reporter.stage(step):
            complete(context, step)


def _link_teacher(task: Task) -> None:
    """Lets the student's run read the teacher's stages, without a copy of its own."""
    link = task.place / "teacher"
    target = os.path.relpath(task.layout.teacher(task.teacher) / "teacher", task.place)
    if not link.is_symlink():
        link.symlink_to(target, target_is_directory=True)


def _same_data(task: Task, identity: dict[str, Any]) -> None:
    """Refuses to record a run under an id that stands for something else."""
    found = short(identity)
    if found != task.id:
        raise RunError(
            f"{task.kind} {task.id}: its samples, or hintlite, have changed since the study was "
            f"begun (now {found}): give the same command again"
        )


def _teacher_facts(task: Task) -> dict[str, Any]:
    """What a student's record says of its teacher."""
    record = json.loads(task.layout.teacher_record(task.teacher).read_text())
    return {name: record[name] for name in ("key", "weights_sha256", "validation", "test")}


def _text(record: dict[str, Any]) -> str:
    return json.dumps(record, indent=1) + "\n"
