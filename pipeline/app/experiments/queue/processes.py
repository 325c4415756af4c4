"""Worker processes on this machine, each with a TensorFlow of its own."""

from __future__ import annotations

import os
import queue
import threading
from typing import Generic

from hintlite.child import Child, ChildError, DiedError
from hintlite.pipeline.app.experiments.queue.pool import FAILED, AnyJob, Outcome

RECYCLE = 8  # jobs of one process: what TensorFlow never gives back stays bounded
GRACE_S = 5.0


class Processes(Generic[AnyJob]):
    """A pool of processes; each computes with its share of the cores.

    Args:
        jobs: at a time.
        work: "module:function" of what a process does with a job's request; it answers with the
            fields of an Outcome.
    """

    def __init__(self, jobs: int, work: str) -> None:
        self._jobs, self._work = jobs, work
        self._threads = max(1, (os.cpu_count() or 1) // jobs)
        self._idle: list[_Worker[AnyJob]] = []
        self._active: list[_Worker[AnyJob]] = []
        self._ended: queue.Queue[tuple[_Worker[AnyJob], AnyJob, Outcome]] = queue.Queue()

    @property
    def size(self) -> int:
        """How many jobs it does at a time."""
        return self._jobs

    def start(self, job: AnyJob) -> None:
        """Gives the job to an idle process, or to a new one."""
        worker = self._idle_or_new(job)
        self._active.append(worker)
        worker.begin(job, self._ended)

    def finished(self, timeout_s: float) -> list[tuple[AnyJob, Outcome]]:
        """Jobs that have ended since the last call; waits for one, but not for ever."""
        ended = []
        try:
            ended.append(self._ended.get(timeout=timeout_s))
            while True:
                ended.append(self._ended.get_nowait())
        except queue.Empty:
            pass
        for worker, _, _ in ended:
            self._active.remove(worker)
            if worker.child.alive and worker.jobs < RECYCLE:
                self._idle.append(worker)
            else:
                worker.child.close()
        return [(job, outcome) for _, job, outcome in ended]

    def stop(self) -> None:
        """Ends every process."""
        for worker in self._active:
            worker.child.kill()
        for worker in self._active:
            worker.thread.join(GRACE_S)
        for worker in self._idle:
            worker.child.close()
        self._idle, self._active = [], []

    def _idle_or_new(self, job: AnyJob) -> _Worker[AnyJob]:
        """A process that computes as the job wants: determinism cannot be switched off again."""
        for worker in list(self._idle):
            self._idle.remove(worker)
            if worker.deterministic == job.deterministic:
                return worker
            worker.child.close()
        child = Child(self._work, name="its process", environment=environment(self._threads))
        return _Worker(child, job.deterministic)


class _Worker(Generic[AnyJob]):
    """One process, and a thread that waits for its answers."""

    def __init__(self, child: Child, deterministic: bool) -> None:
        self.child, self.deterministic, self.jobs = child, deterministic, 0

    def begin(
        self, job: AnyJob, ended: queue.Queue[tuple[_Worker[AnyJob], AnyJob, Outcome]]
    ) -> None:
        """Sends the job, and puts its outcome into the queue when it comes."""
        self.jobs += 1
        self.thread = threading.Thread(
            target=lambda: ended.put((self, job, self._outcome(job))), daemon=True
        )
        self.thread.start()

    def _outcome(self, job: AnyJob) -> Outcome:
        try:
            return Outcome(*self.child.ask(job.request()))
        except DiedError as error:
            hint = " Fewer --jobs need less." if "memory" in str(error) else ""
            return Outcome(FAILED, f"{error}{hint}")
        except ChildError as error:
            return Outcome(FAILED, str(error))


def environment(threads: int) -> dict[str, str]:
    """Environment variables that hold a process to so many threads."""
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    return dict.fromkeys(names, str(threads))
