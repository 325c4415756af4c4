"""TFRecord files by their names: which there are, and which part each belongs to."""

from __future__ import annotations

import re
from pathlib import Path

NAMED = re.compile(r"\.tfrecords?(\.gz|-\d+-of-\d+)?$", re.IGNORECASE)
TRAIN, VALIDATION, TEST = "train", "validation", "test"
_WORDS = {"val": VALIDATION, "valid": VALIDATION, VALIDATION: VALIDATION, TEST: TEST}


def record_files(place: Path) -> list[Path]:
    """The TFRecord files that a path stands for, sorted: itself, or those in a folder.

    A folder's own folders are looked into too. Names end in .tfrecord, .tfrecords, .tfrecord.gz or
    .tfrecord-00000-of-00010.
    """
    if place.is_file():
        return [place] if NAMED.search(place.name) else []
    if not place.is_dir():
        return []
    return sorted(path for path in place.rglob("*.tfrecord*") if NAMED.search(path.name))


def part_of(path: Path, place: Path) -> str:
    """The part that a file's name, or a folder between it and the place, names; train otherwise."""
    named = path.relative_to(place) if path != place else Path(path.name)
    words = re.split(r"[^a-z]+", str(named).lower())
    return next((_WORDS[word] for word in words if word in _WORDS), TRAIN)
