"""Doing the jobs of a list, several at a time, until none is left."""

from __future__ import annotations

import time
from typing import Protocol

from hintlite.pipeline.app.experiments.queue.display import Display
from hintlite.pipeline.app.experiments.queue.pool import AnyJob, Outcome, Pool
from hintlite.pipeline.app.run.console import Terminal

PAUSE_S = 0.5


class Jobs(Protocol[AnyJob]):
    """What is left to do."""

    def take(self) -> AnyJob | None:
        """The next job, if one can be begun now."""

    def waits(self) -> bool:
        """Whether a job may still come where none is under way."""

    def end(self, job: AnyJob, outcome: Outcome) -> str | None:
        """Writes down how a job ended; what to tell of it."""

    def finished(self) -> int:
        """How many of those that the user counts are finished."""

    def elsewhere(self) -> int:
        """How many of them other commands are doing."""

    def give_back(self, jobs: list[AnyJob]) -> None:
        """Jobs that were cut short: the next command goes on with them."""


def do_all(
    jobs: Jobs[AnyJob], pool: Pool[AnyJob], terminal: Terminal, unit: str, total: int
) -> None:
    """Does every job and shows how it goes.

    Args:
        jobs: what is left to do.
        pool: does them; it is stopped at the end.
        terminal: shows how it goes.
        unit: what the user counts: "runs", "trials".
        total: of them.
    """
    try:
        with Display(terminal, unit, total, jobs.finished()) as display:
            carry_out(jobs, pool, display)
    finally:
        pool.stop()


def carry_out(jobs: Jobs[AnyJob], pool: Pool[AnyJob], display: Display) -> None:
    """Does every job; one that fails does not stop the others.

    Whatever ends this call early, Ctrl-C among it, stops the pool and gives its jobs back.
    """
    active: list[AnyJob] = []
    try:
        while True:
            _fill(jobs, pool, active)
            if not active and not jobs.waits():
                return
            for job, outcome in _finished(pool, active):
                told = jobs.end(job, outcome)
                active.remove(job)
                if told is not None:
                    display.tell(told, jobs.finished())
            if active:
                display.show([(job.title, job.place) for job in active], jobs.elsewhere())
    finally:
        if active:
            pool.stop()
            jobs.give_back(active)


def _fill(jobs: Jobs[AnyJob], pool: Pool[AnyJob], active: list[AnyJob]) -> None:
    """Begins jobs as long as there is room."""
    while len(active) < pool.size and (job := jobs.take()) is not None:
        active.append(job)
        pool.start(job)


def _finished(pool: Pool[AnyJob], active: list[AnyJob]) -> list[tuple[AnyJob, Outcome]]:
    if active:
        return list(pool.finished(PAUSE_S))
    time.sleep(PAUSE_S)  # others do all that is left
    return []
