"""How often a run evaluated the test data: kept beside its stages, which may be made anew."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hintlite.files import write_whole

FILE = "test_evaluations.json"  # in the run folder


def note_evaluation(run: Path, test_sha256: str, files: Sequence[str]) -> None:
    """Counts one evaluation.

    Args:
        run: the run folder.
        test_sha256: hash of the test samples.
        files: what was evaluated, "<model>:<precision>" each.
    """
    noted = [*_noted(run), {"test_sha256": test_sha256, "files": list(files)}]
    write_whole(run / FILE, json.dumps(noted, indent=1))


def evaluations(run: Path, test_sha256: str) -> int | None:
    """How often these test samples were evaluated in a run; None if it kept no count."""
    noted = _noted(run)
    return sum(each["test_sha256"] == test_sha256 for each in noted) or None


def _noted(run: Path) -> list[dict[str, Any]]:
    try:
        noted: list[dict[str, Any]] = json.loads((run / FILE).read_text())
    except FileNotFoundError:
        return []
    return noted
