"""What a worker of a tuning is asked to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hintlite.pipeline.app.experiments.tuning.layout import Layout

TEACHER = -1  # in place of a trial's number: train the teacher and nothing else
PRUNED, REFUSED, BLOCKED = "pruned", "refused", "blocked"  # outcomes beside those of every pool


@dataclass(frozen=True)
class TrialTask:
    """Plain data, so that it can go to another process.

    Attributes:
        number: of the trial in the storage, or TEACHER.
        origin: number of its first try, whose folder later tries go on in.
        folder: of the tuning, absolute.
        settings: of the run with the first seed.
        seeds: of the students.
        objective: "float" or "int8".
        chosen_by: what trials are scored by.
        pruning: trials and epochs of the tuning's pruning; None for never.
    """

    number: int
    origin: int
    folder: str
    settings: dict[str, Any]
    seeds: tuple[int, ...]
    objective: str
    chosen_by: str
    pruning: dict[str, int] | None

    @property
    def layout(self) -> Layout:
        """Where the tuning keeps what."""
        return Layout(Path(self.folder))

    @property
    def place(self) -> Path:
        """Where it works and reports its progress."""
        if self.number == TEACHER:
            return self.layout.folder / "teachers"
        return self.layout.work(self.origin)

    @property
    def title(self) -> str:
        """For people."""
        return "teacher" if self.number == TEACHER else f"trial {self.number}"

    @property
    def deterministic(self) -> bool:
        """Whether it needs a process that computes deterministically."""
        return bool(self.settings["deterministic"])

    def request(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)
