"""Who does the tasks of a study: processes on this machine, or a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hintlite.pipeline.app.experiments.studies.work import Task

DONE, FAILED, BUSY = "done", "failed", "busy"


@dataclass(frozen=True)
class Outcome:
    """How a task ended.

    Attributes:
        state: done, failed, or busy (another process is doing it).
        said: why, in a sentence, unless it is done.
    """

    state: str
    said: str = ""


class Portable(Protocol):
    """What a process of its own can be asked to do."""

    @property
    def deterministic(self) -> bool:
        """Whether it needs a process that computes deterministically."""

    def to_json(self) -> str:
        """As one line of text."""


class Crew(Protocol):
    """Does tasks, several at a time."""

    @property
    def size(self) -> int:
        """How many tasks it does at a time."""

    def start(self, task: Task) -> None:
        """Begins a task; at most `size` may be under way."""

    def finished(self, timeout_s: float) -> list[tuple[Task, Outcome]]:
        """Tasks that have ended since the last call; waits for one, but not for ever."""

    def stop(self) -> None:
        """Ends everything that is under way; a run can be gone on with."""
