"""The progress of all runs of a study on the terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hintlite.pipeline.app.experiments.queue.progress import Progress, read_progress
from hintlite.pipeline.app.experiments.studies.records import STUDENT
from hintlite.pipeline.app.experiments.studies.work import Task
from hintlite.pipeline.app.run.console import Terminal

BAR = 24
HEARTBEAT_S = 60.0  # a study takes hours


class Display:
    """A bar a run on a terminal; elsewhere a line a finished run, and one a minute in between.

    Args:
        terminal: the user's.
        total: runs of the study.
        finished: how many of them were finished before.
    """

    unit = "runs"

    def __init__(self, terminal: Terminal, total: int, finished: int) -> None:
        self._terminal, self._total, self._finished = terminal, total, finished
        self._said = time.monotonic()
        self._live = Live(console=terminal.err, transient=True, auto_refresh=False)

    def __enter__(self) -> Self:
        if self._terminal.err.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def done(self, title: str, task: Task) -> None:
        """A task is complete."""
        if task.kind != STUDENT:
            self._say(f"{title}: done")
            return
        self._finished += 1
        test = json.loads(task.layout.record(task.id).read_text())["test"]
        figures = ", ".join(f"{precision} {_figure(each)}" for precision, each in test.items())
        self._say(f"{title}: {figures} ({self._finished} of {self._total})")

    def failed(self, title: str, said: str) -> None:
        """A task has failed."""
        self._say(f"{title}: FAILED: {said}")

    def show(self, active: Sequence[tuple[str, Path]], elsewhere: Mapping[str, float]) -> None:
        """What is under way.

        Args:
            active: titles, and the run folders that hold their progress.
            elsewhere: the runs that another `hintlite study` is doing.
        """
        lines = [(title, read_progress(place)) for title, place in active]
        if self._live.is_started:
            self._live.update(self._table(lines, len(elsewhere)), refresh=True)
        elif time.monotonic() - self._said > HEARTBEAT_S:
            words = [f"{title}: {_words(progress)}" for title, progress in lines]
            words += [f"{len(elsewhere)} done by another command"] if elsewhere else []
            self._say(f"{self._finished} of {self._total} {self.unit}; " + "; ".join(words))

    def _table(self, lines: Sequence[tuple[str, Progress | None]], elsewhere: int) -> Group:
        table = Table.grid(padding=(0, 1))
        for title, progress in lines:
            bar = ProgressBar(
                progress.total if progress else 1.0, progress.completed if progress else 0.0, BAR
            )
            table.add_row(Text(title), bar, Text(_words(progress)))
        more = f", {elsewhere} done by another command" if elsewhere else ""
        return Group(table, Text(f"{self._finished} of {self._total} {self.unit}{more}"))

    def _say(self, text: str) -> None:
        self._said = time.monotonic()
        self._terminal.say(text)


def _figure(test: Mapping[str, Any] | None) -> str:
    return "without a file" if test is None else f"{100 * test['accuracy']:.2f} %"


def _words(progress: Progress | None) -> str:
    if progress is None:
        return "starting"
    return ": ".join(word for word in (progress.title, progress.note) if word) or "starting"
