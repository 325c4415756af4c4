"""Worker processes on this machine, each with a TensorFlow of its own."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Generic, TypeVar

from hintlite.pipeline.app.experiments.queue.pool import FAILED, Outcome, Portable

Job = TypeVar("Job", bound=Portable)
RECYCLE = 8  # tasks of one process: what TensorFlow never gives back stays bounded
GRACE_S = 5.0
WORKER = "hintlite.pipeline.app.experiments.queue.worker"


class Processes(Generic[Job]):
    """A crew of processes; each computes with its share of the cores.

    Args:
        jobs: tasks at a time.
        module: what each process runs; it serves tasks as `studies/worker.py` does.
    """

    def __init__(self, jobs: int, module: str = WORKER) -> None:
        # -P: what lies in the user's working folder must not be taken for a package.
        self._jobs, self._program = jobs, (sys.executable, "-P", "-m", module)
        self._threads = max(1, (os.cpu_count() or 1) // jobs)
        self._idle: list[_Worker[Job]] = []
        self._active: list[_Worker[Job]] = []
        self._ended: queue.Queue[tuple[_Worker[Job], Job, Outcome]] = queue.Queue()

    @property
    def size(self) -> int:
        """How many tasks it does at a time."""
        return self._jobs

    def start(self, task: Job) -> None:
        """Gives the task to an idle process, or to a new one."""
        worker = self._hire(task)
        self._active.append(worker)
        worker.begin(task, self._ended)

    def finished(self, timeout_s: float) -> list[tuple[Job, Outcome]]:
        """Tasks that have ended since the last call; waits for one, but not for ever."""
        ended = []
        try:
            ended.append(self._ended.get(timeout=timeout_s))
            while True:
                ended.append(self._ended.get_nowait())
        except queue.Empty:
            pass
        for worker, _, _ in ended:
            self._active.remove(worker)
            if worker.alive and worker.tasks < RECYCLE:
                self._idle.append(worker)
            else:
                worker.dismiss()
        return [(task, outcome) for _, task, outcome in ended]

    def stop(self) -> None:
        """Ends every process."""
        workers = [*self._idle, *self._active]
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.dismiss()
        self._idle, self._active = [], []

    def _hire(self, task: Job) -> _Worker[Job]:
        """A process that computes as the task wants: determinism cannot be switched off again."""
        for worker in list(self._idle):
            self._idle.remove(worker)
            if worker.deterministic == task.deterministic:
                return worker
            worker.dismiss()
        return _Worker(task.deterministic, environment(self._threads), self._program)


class _Worker(Generic[Job]):
    """One process, and a thread that waits for its answers."""

    def __init__(
        self, deterministic: bool, variables: Mapping[str, str], program: tuple[str, ...]
    ) -> None:
        self.deterministic, self.tasks = deterministic, 0
        self.process = subprocess.Popen(
            program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # while it works, its words go to the run's log
            text=True,
            bufsize=1,
            env={**os.environ, **variables},
            start_new_session=True,  # Ctrl-C reaches the parent alone, which ends the rest
        )

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self.process.poll() is None

    def begin(self, task: Job, ended: queue.Queue[tuple[_Worker[Job], Job, Outcome]]) -> None:
        """Sends the task, and puts its outcome into the queue when it comes."""
        self.tasks += 1
        threading.Thread(
            target=lambda: ended.put((self, task, self._outcome(task))), daemon=True
        ).start()

    def dismiss(self) -> None:
        """Ends the process."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
            self.process.wait(GRACE_S)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()

    def _outcome(self, task: Job) -> Outcome:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(task.to_json() + "\n")
            line = self.process.stdout.readline()
        except (BrokenPipeError, ValueError):
            line = ""
        if line:
            return Outcome(*json.loads(line))
        return Outcome(FAILED, _death(self.process.wait()))


def environment(threads: int) -> dict[str, str]:
    """Environment variables that hold a process to so many threads."""
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    return dict.fromkeys(names, str(threads))


def _death(code: int) -> str:
    if code >= 0:
        return f"its process ended by itself with code {code}"
    name = signal.Signals(-code).name
    hint = "; too little memory? fewer --jobs need less" if name == "SIGKILL" else ""
    return f"its process was ended by {name}{hint}"
