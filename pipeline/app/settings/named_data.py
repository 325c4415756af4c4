"""What one word says of the data: the name of a data set, a folder or a file."""

from __future__ import annotations

import difflib
from pathlib import Path

from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.settings.data import FROM_PYTHON, SOURCES, SourceName

SETS: dict[str, SourceName] = {
    name: name for name in SOURCES if name not in ("folder", "npz", FROM_PYTHON)
}


def named_data(word: str) -> tuple[SourceName, str | None]:
    """The settings data.source and data.path that a word stands for.

    Args:
        word: the name of a data set, a folder of class-named folders, or an .npz file.

    Raises:
        WrongUseError: it is none of these.
    """
    if word in SETS:
        return SETS[word], None
    path = Path(word).expanduser()
    if path.is_dir():
        return "folder", word
    if path.suffix == ".npz":
        return "npz", word
    near = difflib.get_close_matches(word, SETS, n=1)
    raise WrongUseError(
        f"--data {word}: expected a folder of class-named folders of images, an .npz file, or one "
        f"of {', '.join(SETS)}" + (f"\ndid you mean: {near[0]}" if near else "")
    )
