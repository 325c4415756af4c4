"""Where a study keeps what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RECORDS = "runs"


@dataclass(frozen=True)
class Layout:
    """The folders of a study; absolute, for workers start elsewhere.

    Args:
        folder: the study's own.
        results: where the records of finished runs are kept, one small JSON each; studies that
            share it share their runs.
    """

    folder: Path
    results: Path

    def record(self, run: str) -> Path:
        """The record of a finished run."""
        return self.results / f"{run}.json"

    def work(self, run: str) -> Path:
        """The folder of a run that is under way."""
        return self.folder / "work" / run

    def teacher(self, key: str) -> Path:
        """The run folder of a teacher, which the runs of its students read."""
        return self.folder / "teachers" / key

    def teacher_record(self, key: str) -> Path:
        """The record of the teacher in that folder; the results hold a copy."""
        return self.teacher(key) / "record.json"

    def models(self, run: str) -> Path:
        """What is kept of a finished run beside its record."""
        return self.folder / "models" / run
