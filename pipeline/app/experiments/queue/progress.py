"""What a worker says of its run, in a file that whoever watches the study can read."""

from __future__ import annotations

import json
import logging
import os
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from hintlite.files import aside
from hintlite.pipeline.app.run.console import Bar, Terminal

PROGRESS = "progress.json"
PAUSE_S = 0.5


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        title: of the stage's task that is under way.
        note: its figures.
        completed: how much of that task is done.
        total: how much there is, in the same unit.
        tries: times that the run was begun or gone on with.
        worker: process number on its machine.
        host: name of that machine.
        wall_s: stage -> seconds spent on it, over all tries.
        cpu_s: stage -> the same as processor time.
    """

    title: str = ""
    note: str = ""
    completed: float = 0.0
    total: float = 1.0
    tries: int = 0
    worker: int = 0
    host: str = ""
    wall_s: dict[str, float] = field(default_factory=dict)
    cpu_s: dict[str, float] = field(default_factory=dict)


def read_progress(folder: Path) -> Progress | None:
    """What the run's worker has last said; None if it has said nothing yet."""
    try:
        return Progress(**json.loads((folder / PROGRESS).read_text()))
    except (OSError, json.JSONDecodeError, TypeError):
        return None


class Reporter(Terminal):
    """In a worker: progress goes to a file, words go to the run's log.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder, self._said, self._stage = folder, 0.0, ""
        self.progress = read_progress(folder) or Progress()
        self.progress.tries += 1
        self.progress.worker, self.progress.host = os.getpid(), platform.node()

    def say(self, text: str) -> None:
        """A line for the log."""
        logging.getLogger("hintlite").info(text)

    @contextmanager
    def task(self, title: str) -> Iterator[Bar]:
        """A titled piece of work that reports its steps."""
        self.progress.title, self.progress.note = title, ""
        bar = _FileBar(self, title)
        yield bar
        self.say(f"{title}: {bar.note}")

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Counts the time of a stage, also that of tries which are cut short."""
        self._stage, self._since = name, (time.monotonic(), _cpu_s())
        self._before = self.progress.wall_s.get(name, 0.0), self.progress.cpu_s.get(name, 0.0)
        self.save()
        yield
        self.save()
        self._stage = ""

    def save(self) -> None:
        """Writes the progress so that it is there whole or not at all."""
        if self._stage:
            wall, cpu = time.monotonic() - self._since[0], _cpu_s() - self._since[1]
            self.progress.wall_s[self._stage] = self._before[0] + wall
            self.progress.cpu_s[self._stage] = self._before[1] + cpu
        # Not to the disk: this is often, and a power cut may lose it. Workers that wait for one
        # teacher report to one place.
        with aside(self._folder / PROGRESS) as place:
            place.write_text(json.dumps(asdict(self.progress)))
        self._said = time.monotonic()

    def save_if_due(self) -> None:
        """Writes the progress unless that was done a moment ago."""
        if time.monotonic() - self._said > PAUSE_S:
            self.save()


class _FileBar(Bar):
    """Moves the figures in the reporter's file."""

    def __init__(self, reporter: Reporter, title: str) -> None:
        self.title, self.note = title, ""
        self._reporter = reporter

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def update(self, completed: float, total: float, note: str = "", line: bool = False) -> None:
        """Notes how far it is."""
        self.note = note or self.note
        progress = self._reporter.progress
        progress.completed, progress.total, progress.note = completed, total, self.note
        self._reporter.save_if_due()

    def line(self) -> None:
        """Writes the figures at once: something is complete."""
        self._reporter.save()


def _cpu_s() -> float:
    used: Any = resource.getrusage(resource.RUSAGE_SELF)
    return float(used.ru_utime + used.ru_stime)
