"""What one word says of the data: the name of a data set, a folder or a file."""

from __future__ import annotations

import difflib
from pathlib import Path

from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.data.record_files import record_files
from hintlite.pipeline.settings.data import FROM_PYTHON, NEEDS_PATH, SOURCES, SourceName

SETS: dict[str, SourceName] = {
    name: name for name in SOURCES if name not in (*NEEDS_PATH, FROM_PYTHON)
}
FORMS = (
    "a folder of class-named folders of images, of recordings (.csv, .parquet), of HAPT or of one "
    "set of the UCR archive, TFRecords (*.tfrecord), an .npz file"
)


def named_data(word: str) -> tuple[SourceName, str | None]:
    """The settings data.source and data.path that a word stands for.

    Args:
        word: the name of a data set, a folder, an .npz file, or one of TFRecords.

    Raises:
        WrongUseError: it is none of these.
    """
    if word in SETS:
        return SETS[word], None
    path = Path(word).expanduser()
    if record_files(path):
        return "tfrecord", word
    if path.is_dir():
        return _folder(path), word
    if path.suffix == ".npz":
        return "npz", word
    near = difflib.get_close_matches(word, SETS, n=1)
    raise WrongUseError(
        f"--data {word}: expected {FORMS}, or one of {', '.join(SETS)}"
        + (f"\ndid you mean: {near[0]}" if near else "")
    )


def _folder(path: Path) -> SourceName:
    """What a folder holds: pictures, unless names of files say otherwise."""
    from hintlite.pipeline.data.sources import hapt, ucr
    from hintlite.pipeline.data.table_file import SUFFIXES

    if any(path.glob(f"*{ucr.TRAIN}")):
        return "ucr"
    if (path / hapt.LABELS).is_file() or (path / hapt.RAW / hapt.LABELS).is_file():
        return "hapt"
    places = (each for depth in ("*", "*/*") for each in path.glob(depth))
    tables = (each for each in places if each.suffix.lower() in SUFFIXES and each.is_file())
    return "recordings" if next(tables, None) else "folder"
