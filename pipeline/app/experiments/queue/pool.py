"""Jobs, what becomes of them, and who does them: processes on this machine, or a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

DONE, FAILED, BUSY = "done", "failed", "busy"


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        state: done, failed, busy (another process is doing it), or a state of the jobs' own kind.
        said: why, in a sentence, unless it is done.
    """

    state: str
    said: str = ""


class Job(Protocol):
    """What a process of its own, or another machine, can be asked to do."""

    @property
    def title(self) -> str:
        """For people."""

    @property
    def place(self) -> Path:
        """Where it works and reports its progress."""

    @property
    def deterministic(self) -> bool:
        """Whether it needs a process that computes deterministically."""

    def request(self) -> dict[str, Any]:
        """What its worker is sent, as plain data; `folder` in it is what all machines share."""


AnyJob = TypeVar("AnyJob", bound=Job)


class Pool(Protocol[AnyJob]):
    """Does jobs, several at a time."""

    @property
    def size(self) -> int:
        """How many jobs it does at a time."""

    def start(self, job: AnyJob) -> None:
        """Begins a job; at most `size` may be under way."""

    def finished(self, timeout_s: float) -> Sequence[tuple[AnyJob, Outcome]]:
        """Jobs that have ended since the last call; waits for one, but not for ever."""

    def stop(self) -> None:
        """Ends everything that is under way; a run can be gone on with."""


def outcome_of(work: Callable[[], str], states: Mapping[type[Exception], str]) -> list[str]:
    """Does a job in its worker; a failure becomes a sentence.

    Args:
        work: does it; what it returns is said of a job that is done.
        states: error -> the state that it stands for, the first that fits; any other is a failure.

    Returns:
        The fields of an Outcome, as they are sent.
    """
    from hintlite.pipeline.app.errors import sentence

    try:
        return [DONE, work()]
    except Exception as error:
        found = (state for kind, state in states.items() if isinstance(error, kind))
        return [next(found, FAILED), sentence(error)]
