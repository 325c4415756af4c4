"""The progress of all jobs on the terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hintlite.pipeline.app.experiments.queue.progress import Progress, read_progress
from hintlite.pipeline.app.run.console import Terminal

BAR = 24
HEARTBEAT_S = 60.0  # all jobs together take hours


class Display:
    """A bar a job on a terminal; elsewhere a line a finished job, and one a minute in between.

    Args:
        terminal: the user's.
        unit: what the user counts: "runs", "trials".
        total: of them.
        finished: how many of them were finished before.
    """

    def __init__(self, terminal: Terminal, unit: str, total: int, finished: int) -> None:
        self._terminal, self._unit, self._total, self._finished = terminal, unit, total, finished
        self._said = time.monotonic()
        self._live = Live(console=terminal.err, transient=True, auto_refresh=False)

    def __enter__(self) -> Self:
        if self._terminal.err.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def tell(self, text: str, finished: int) -> None:
        """A job has ended.

        Args:
            text: how.
            finished: how many are finished now; said where that has changed.
        """
        more = f" ({finished} of {self._total})" if finished != self._finished else ""
        self._finished = finished
        self._say(text + more)

    def show(self, active: Sequence[tuple[str, Path]], elsewhere: int) -> None:
        """What is under way.

        Args:
            active: titles, and the folders that hold their progress.
            elsewhere: how many other commands are doing.
        """
        lines = [(title, read_progress(place)) for title, place in active]
        if self._live.is_started:
            self._live.update(self._table(lines, elsewhere), refresh=True)
        elif time.monotonic() - self._said > HEARTBEAT_S:
            words = [f"{title}: {_words(progress)}" for title, progress in lines]
            words += [f"{elsewhere} done by another command"] if elsewhere else []
            self._say(f"{self._finished} of {self._total} {self._unit}; " + "; ".join(words))

    def _table(self, lines: Sequence[tuple[str, Progress | None]], elsewhere: int) -> Group:
        table = Table.grid(padding=(0, 1))
        for title, progress in lines:
            bar = ProgressBar(
                progress.total if progress else 1.0, progress.completed if progress else 0.0, BAR
            )
            table.add_row(Text(title), bar, Text(_words(progress)))
        more = f", {elsewhere} done by another command" if elsewhere else ""
        return Group(table, Text(f"{self._finished} of {self._total} {self._unit}{more}"))

    def _say(self, text: str) -> None:
        self._said = time.monotonic()
        self._terminal.say(text)


def _words(progress: Progress | None) -> str:
    if progress is None:
        return "starting"
    return ": ".join(word for word in (progress.title, progress.note) if word) or "starting"
