"""What a worker of a tuning does."""

from __future__ import annotations

import json
from typing import Any

from hintlite.child import Tell
from hintlite.errors import DataError, HintliteError
from hintlite.pipeline.app.experiments.queue.pool import outcome_of
from hintlite.pipeline.app.experiments.tuning.task import (
    BLOCKED,
    PRUNED,
    REFUSED,
    TEACHER,
    TrialTask,
)
from hintlite.pipeline.app.experiments.tuning.trial import HopelessError, do, reports


def answer(request: dict[str, Any], tell: Tell) -> list[str]:
    """Does a trial; the fields of its outcome, with the trial's facts as JSON.

    Beside those of every pool an outcome can be: pruned; refused, where the settings are to blame;
    blocked, where every other trial would end the same way until somebody helps.
    """
    del tell  # its progress stands in a file, which other commands read too
    task = TrialTask(**request)
    return outcome_of(lambda: json.dumps(do(task, _told(task))), states())


def states() -> dict[type[Exception], str]:
    """What each error stands for; the first that fits counts."""
    from hintlite.pipeline.app.run.folder import RunError
    from hintlite.pipeline.cache.folder import CacheError
    from hintlite.pipeline.qat.launch import MissingPackagesError
    from hintlite.pipeline.training.checkpoint import CheckpointError

    # What no setting that is searched causes: disks, samples, missing packages, files.
    outside = (OSError, RunError, DataError, CacheError, CheckpointError, MissingPackagesError)
    settings = (HintliteError, ValueError)
    return (
        {HopelessError: PRUNED} | dict.fromkeys(outside, BLOCKED) | dict.fromkeys(settings, REFUSED)
    )


def _told(task: TrialTask) -> Any:
    from hintlite.pipeline.app.experiments.tuning.definition import Pruning
    from hintlite.pipeline.app.experiments.tuning.storage import library, open_study

    if task.number == TEACHER:
        return lambda place, before: None
    study = open_study(
        task.layout.database, None if task.pruning is None else Pruning(**task.pruning)
    )
    frozen = study.trials[task.number]
    trial = library().trial.Trial(study, frozen._trial_id)
    return reports(trial, task.settings["training"]["epochs"], task.chosen_by)
