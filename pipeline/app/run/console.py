"""What the user sees: progress on the terminal, everything else in the run's log file."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

LOG = "log.txt"
HEARTBEAT_S = 10.0
PAUSE_S = 2.0


class Terminal:
    """Progress and results, on standard error and standard output.

    On a terminal a bar moves; elsewhere (a pipe, CI) a line is printed at most every two seconds
    where an epoch or a file is complete, and every ten seconds in between.
    """

    def __init__(self) -> None:
        self.out = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
        self.err = Console(
            file=os.fdopen(os.dup(2), "w", buffering=1), highlight=False, soft_wrap=True
        )

    def say(self, text: str) -> None:
        """A line about what goes on."""
        self.err.print(text, markup=False)
        logging.getLogger("hintlite").info(text)

    @contextmanager
    def task(self, title: str) -> Iterator[Bar]:
        """A titled piece of work that reports its steps."""
        started = time.monotonic()
        logging.getLogger("hintlite").info("%s: begun", title)
        bar = Bar(self.err, title)
        with bar:
            yield bar
        took = time.monotonic() - started
        summary = f"{title}: {bar.note + ', ' if bar.note else ''}{took:.1f} s"
        self.say(summary)


class Bar:
    """One bar on a terminal, or lines elsewhere."""

    def __init__(self, console: Console, title: str) -> None:
        self.console, self.title, self.note = console, title, ""
        self._said = time.monotonic()
        self._live = console.is_terminal
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not self._live,
        )
        self._task = self._progress.add_task(title, total=None)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def update(self, completed: float, total: float, note: str = "", line: bool = False) -> None:
        """Moves the bar.

        Args:
            completed: how much is done.
            total: how much there is, in the same unit.
            note: figures to show beside it.
            line: something is complete, which is worth a line where there is no terminal.
        """
        self.note = note or self.note
        self._progress.update(self._task, completed=completed, total=total, description=self._text)
        due = time.monotonic() - self._said > (PAUSE_S if line else HEARTBEAT_S)
        if due and completed < total:
            self.line()

    def line(self) -> None:
        """A line of what stands beside the bar, where there is no terminal."""
        if not self._live:
            self._said = time.monotonic()
            self.console.print(self._text, markup=False)

    @property
    def _text(self) -> str:
        return f"{self.title}: {self.note}" if self.note else self.title


@contextmanager
def logged(path: Path, verbose: bool) -> Iterator[None]:
    """Sends what libraries print on standard error to a log file.

    TensorFlow writes its log lines to file descriptor 2 from C++, so the descriptor itself is
    redirected. With `verbose` it is left alone.

    Args:
        path: appended to.
        verbose: leave the libraries' lines on the terminal.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    saved = os.dup(2)
    sys.stderr.flush()
    if not verbose:
        with path.open("a") as file:
            os.dup2(file.fileno(), 2)
    try:
        yield
    except BaseException:
        logging.getLogger("hintlite").exception("stopped by")
        raise
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)
        root.removeHandler(handler)
        handler.close()
