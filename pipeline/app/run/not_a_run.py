"""What to say of a folder that is no run: a misspelt name, most often."""

from __future__ import annotations

import difflib
from pathlib import Path

from hintlite.pipeline.runs.layout import SETTINGS


def not_a_run(path: Path) -> str:
    """The sentence without a stop, with the run beside it that has the nearest name."""
    others = [place.parent.name for place in path.absolute().parent.glob(f"*/{SETTINGS}")]
    near = difflib.get_close_matches(path.name, others, n=1)
    meant = f" (did you mean {path.with_name(near[0])}?)" if near else ""
    return f"{path} is not a run folder{meant}"
