"""What a worker of a study does."""

from __future__ import annotations

from typing import Any

from hintlite.child import Tell
from hintlite.pipeline.app.experiments.queue.pool import BUSY, outcome_of
from hintlite.pipeline.app.experiments.studies.task import Task
from hintlite.pipeline.app.experiments.studies.work import do
from hintlite.pipeline.app.run.folder import BusyError


def answer(request: dict[str, Any], tell: Tell | None) -> list[str]:
    """Does a task; the fields of its outcome."""
    del tell  # its progress stands in a file, which other commands read too
    return outcome_of(lambda: do(Task(**request)), {BusyError: BUSY})
