"""Where a tuning keeps what."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True)
class Layout:
    """The files and folders of a tuning.

    Args:
        folder: its own; absolute, for workers start elsewhere.
    """

    folder: Path

    @property
    def database(self) -> Path:
        """One row a trial."""
        return self.folder / "trials.sqlite"

    @property
    def cache(self) -> Path:
        """The teacher's outputs, shared by all trials."""
        return self.folder / ".teacher_cache"

    @property
    def best(self) -> Path:
        """Holds one folder: what is kept of the best trial."""
        return self.folder / "best"

    @property
    def works(self) -> Path:
        """Trials that are under way."""
        return self.folder / "work"

    def work(self, origin: int) -> Path:
        """A trial that is under way, and later tries of the same; one run folder a seed."""
        return self.works / f"{origin:04d}"

    def teacher(self, key: str) -> Path:
        """The run folder of a teacher."""
        return self.folder / "teachers" / key

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits until no other process changes the list of trials; the kernel ends it at a kill."""
        with (self.folder / ".turn").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def claim(self, origin: int) -> IO[str]:
        """Holds a trial for this process, until the file is closed or the process ends.

        Raises:
            BlockingIOError: another process holds it.
        """
        self.work(origin).mkdir(parents=True, exist_ok=True)
        file = (self.work(origin) / ".lock").open("a")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return file
