"""One trial, from its settings to its score on validation data; the test data is not opened."""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.errors import HintliteError
from hintlite.pipeline.app.experiments.queue.progress import Reporter
from hintlite.pipeline.app.experiments.tuning.definition import INT8
from hintlite.pipeline.app.experiments.tuning.task import TEACHER, TrialTask
from hintlite.pipeline.app.run.console import LOG, logged
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import BusyError, RunFolder
from hintlite.pipeline.app.run.samples import RunSamples
from hintlite.pipeline.app.run.stages.quantize import SCORES, quantized
from hintlite.pipeline.app.run.validation import worth
from hintlite.pipeline.runs.layout import file_name

if TYPE_CHECKING:
    import optuna

    from hintlite.pipeline.data.training_data import TrainingData
    from hintlite.pipeline.settings.run import RunConfig
    from hintlite.pipeline.training.checkpoint import Row

PAUSE_S = 0.5
Facts = dict[str, Any]


class HopelessError(HintliteError):
    """A trial that is given up, since others were better at the same epoch."""


def do(task: TrialTask, at_epoch: Callable[[int, list[float]], Callable[[Row], None]]) -> Facts:
    """Does a trial, from where an earlier try has stopped; or makes sure of the teacher alone.

    Args:
        task: what to do.
        at_epoch: (place of the seed, scores of the seeds before it) -> who is told each row of the
            student's history.

    Returns:
        The scores on validation data, mean and of each seed, and the student's size; empty for a
        teacher.

    Raises:
        HopelessError: the trial is given up.
        WrongUseError, StageError, TrainingError, DataError, ...: it cannot be done.
    """
    from hintlite.pipeline.app.run.session import prepare_tensorflow
    from hintlite.pipeline.app.settings.text import config_from

    config = config_from(task.settings)
    with logged(task.layout.folder / LOG, verbose=False):
        prepare_tensorflow(config)
        task.place.mkdir(parents=True, exist_ok=True)
        reporter = Reporter(task.place)
        base = Context(config, RunFolder(task.place), reporter, models=config.arms)
        with reporter.stage("trial"):
            teacher = _teacher(task, base)
            if task.number == TEACHER:
                return {}
            found: list[Facts] = []
            for place, seed in enumerate(task.seeds):
                told = at_epoch(place, [facts["float"] for facts in found])
                student = _context(task, replace(config, seed=seed), reporter, base.data, told)
                found.append(_student(task, student, teacher))
        return _facts(task, found, reporter)


def student_folder(work: Path, seed: int) -> Path:
    """The run folder of one seed of a trial."""
    return work / f"seed-{seed}"


def _context(
    task: TrialTask,
    config: RunConfig,
    reporter: Reporter,
    data: TrainingData,
    told: Callable[[Row], None],
) -> Context:
    place = RunFolder(student_folder(task.place, config.seed))
    samples = RunSamples(config.data, place, loaded=data)
    return Context(config, place, reporter, samples, models=config.arms, at_epoch=told)


def _teacher(task: TrialTask, base: Context) -> Path:
    """The teacher stage's folder, which one process fills while the others wait."""
    from hintlite.pipeline.app.experiments.studies.plan import teacher_key
    from hintlite.pipeline.app.run.order import complete

    place = RunFolder(task.layout.teacher(teacher_key(base)))
    samples = RunSamples(base.config.data, place, loaded=base.data)
    context = Context(base.config, place, base.terminal, samples)
    with _patient_lock(place):
        complete(context, "data")
        complete(context, "teacher")
    return place.path / "teacher"


def _student(task: TrialTask, context: Context, teacher: Path) -> Facts:
    from hintlite.pipeline.app.run.order import complete, require_fresh

    (arm,) = context.config.arms
    with _patient_lock(context.folder):
        link = context.folder.path / "teacher"
        if not link.is_symlink():
            link.symlink_to(os.path.relpath(teacher, link.parent), target_is_directory=True)
        complete(context, "data")
        require_fresh(context, "teacher", "distill")
        _replay(context, context.folder.partial(f"distill/{arm}"))
        complete(context, "distill")
        _replay(context, context.folder.place(f"distill/{arm}"))
        if task.objective == INT8:
            complete(context, "quantize")
    summary = json.loads(context.file(f"distill/{arm}", "summary.json").read_text())
    best, by = summary["best"], task.chosen_by
    facts = {"float": score(best, by), "best_epoch": best["epoch"]}
    facts["parameters"] = summary["parameters"]
    if task.objective == INT8:
        deployed = json.loads(context.file(f"quantize/{arm}", SCORES).read_text())
        facts[INT8] = worth(deployed, by)
        file = context.file(f"quantize/{arm}", file_name(arm, quantized(context, arm)))
        facts["bytes"] = file.stat().st_size
    return facts


def _replay(context: Context, folder: Path) -> None:
    """Tells of the epochs of an earlier try; who is told passes over what is known."""
    path = folder / "history.csv"
    if not path.exists() or context.at_epoch is None:
        return
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            context.at_epoch({**row})


def _facts(task: TrialTask, found: list[Facts], reporter: Reporter) -> Facts:
    from importlib import metadata

    from hintlite.pipeline.app.run.context import TRAINING_LIBRARIES, commit

    values = [facts[task.objective] for facts in found]
    return {
        "value": sum(values) / len(values),
        "float": sum(facts["float"] for facts in found) / len(found),
        "by_seed": values,
        "best_epoch": [facts["best_epoch"] for facts in found],
        "parameters": found[0]["parameters"],
        "bytes": found[0].get("bytes"),
        "seconds": round(reporter.progress.wall_s["trial"], 1),
        "commit": commit(),
        "versions": {name: metadata.version(name) for name in TRAINING_LIBRARIES},
    }


def score(row: Mapping[str, Any], chosen_by: str) -> float:
    """What an epoch of the task phase is worth, larger is better."""
    from hintlite.pipeline.training.train import ranked

    return -ranked(row, chosen_by)[0]


def reports(trial: optuna.Trial, epochs: int, chosen_by: str) -> Callable[[int, list[float]], Any]:
    """Reports every epoch of the task phase to the storage, and gives hopeless trials up.

    Args:
        trial: in the storage.
        epochs: of the task phase; the second seed's epochs count on from there.
        chosen_by: what trials are scored by.
    """
    known = set(trial.study.trials[trial.number].intermediate_values)

    def at_epoch(place: int, before: list[float]) -> Callable[[Row], None]:
        def told(row: Row) -> None:
            step = place * epochs + int(row["epoch"])
            if row["phase"] != "task" or step in known:
                return
            known.add(step)
            trial.report((sum(before) + score(row, chosen_by)) / (len(before) + 1), step)
            if int(row["epoch"]) < epochs and trial.should_prune():
                raise HopelessError

        return told

    return at_epoch


@contextmanager
def _patient_lock(folder: RunFolder) -> Iterator[None]:
    """Holds a run folder, as soon as nobody else does."""
    while True:
        lock = folder.lock()
        try:
            lock.__enter__()
            break
        except BusyError:
            time.sleep(PAUSE_S)
    try:
        yield
    finally:
        lock.__exit__(None, None, None)
