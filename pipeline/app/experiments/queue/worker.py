"""A worker: does the tasks that it is given, one after the other, until its input ends.

    python -m hintlite.pipeline.app.experiments.queue.worker

A task is a line of JSON on standard input, its outcome a line of JSON on standard output. A process
takes several tasks because TensorFlow takes seconds to load.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from hintlite.pipeline.app.experiments.queue.pool import BUSY, DONE, FAILED, Outcome
from hintlite.pipeline.app.experiments.studies.work import Task, do


def outcome_of(task: Task) -> Outcome:
    """Does a task; a failure becomes a sentence."""
    from hintlite.pipeline.app.errors import sentence
    from hintlite.pipeline.app.run.folder import BusyError

    try:
        do(task)
    except BusyError as error:
        return Outcome(BUSY, str(error))
    except Exception as error:
        return Outcome(FAILED, sentence(error))
    return Outcome(DONE)


def main() -> NoReturn:
    """Does the tasks of a study."""
    serve(lambda line: outcome_of(Task(**json.loads(line))))


def serve(work: Callable[[str], Outcome]) -> NoReturn:
    """Does tasks until the input ends, which also happens when the parent dies.

    Args:
        work: does a task that is given as a line of JSON.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no reply
    tasks: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(tasks,), daemon=True).start()
    while True:
        outcome = work(tasks.get())
        replies.write(json.dumps([outcome.state, outcome.said]) + "\n")


def _read(tasks: queue.Queue[str]) -> None:
    """Hands on what comes in; at its end the process ends, in the middle of a run too.

    Nothing is lost by that: a run goes on from its last epoch.
    """
    for line in sys.stdin:
        tasks.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()
