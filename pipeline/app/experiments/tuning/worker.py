"""A worker of a tuning: does the trials that it is given, one after the other.

python -m hintlite.pipeline.app.experiments.tuning.worker
"""

from __future__ import annotations

import json
from typing import Any

from hintlite.errors import HintliteError
from hintlite.pipeline.app.experiments.queue.pool import DONE, FAILED, Outcome
from hintlite.pipeline.app.experiments.queue.worker import serve
from hintlite.pipeline.app.experiments.tuning.task import (
    BLOCKED,
    PRUNED,
    REFUSED,
    TEACHER,
    TrialTask,
)
from hintlite.pipeline.app.experiments.tuning.trial import HopelessError, do, reports


def outcome_of(task: TrialTask) -> Outcome:
    """Does a task.

    Returns:
        done with the trial's facts as JSON; pruned; with a sentence: refused where the settings
        are to blame, blocked where every other trial would end the same way until somebody helps,
        failed otherwise, which is worth another try.
    """
    from hintlite.pipeline.app.errors import sentence

    try:
        return Outcome(DONE, json.dumps(do(task, _told(task))))
    except HopelessError:
        return Outcome(PRUNED)
    except Exception as error:
        return Outcome(_state(error), sentence(error))


def _state(error: Exception) -> str:
    if isinstance(error, _surroundings()):
        return BLOCKED
    return REFUSED if isinstance(error, (HintliteError, ValueError)) else FAILED


def _surroundings() -> tuple[type[Exception], ...]:
    """What no setting that is searched causes: disks, samples, missing packages, files."""
    from hintlite.errors import DataError
    from hintlite.pipeline.app.run.folder import RunError
    from hintlite.pipeline.cache.folder import CacheError
    from hintlite.pipeline.qat.launch import MissingPackagesError
    from hintlite.pipeline.training.checkpoint import CheckpointError

    return (OSError, RunError, DataError, CacheError, CheckpointError, MissingPackagesError)


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
    return reports(trial, task.settings["training"]["epochs"])


def main() -> None:
    """Does tasks until the input ends."""
    serve(lambda line: outcome_of(TrialTask(**json.loads(line))))


if __name__ == "__main__":
    main()
