"""What to say of a folder that is no run, a misspelt name most often, or an unfinished one."""

from __future__ import annotations

import difflib
import shlex
from pathlib import Path

from hintlite.pipeline.runs.layout import SETTINGS


def not_a_run(path: Path) -> str:
    """The sentence without a stop, with the run beside it that has the nearest name."""
    others = [place.parent.name for place in path.absolute().parent.glob(f"*/{SETTINGS}")]
    near = difflib.get_close_matches(path.name, others, n=1)
    meant = f" (did you mean {path.with_name(near[0])}?)" if near else ""
    return f"{path} is not a run folder{meant}"


def without_bundle(path: Path) -> str:
    """What a run lacks before there is a bundle, or why there can be none.

    Args:
        path: a folder that is not a bundle and holds none.
    """
    from hintlite.pipeline.report.subjects.unfinished import STATES
    from hintlite.pipeline.runs.reading import RunFiles

    if not (path / SETTINGS).is_file():
        return f"{not_a_run(path)} and holds no bundle: name a run or a bundle"
    files = RunFiles(path)
    before = files.stages[: files.stages.index("bundle") + 1]
    lacking = next((each for each in map(files.state, before) if each.state != "complete"), None)
    why = "" if lacking is None else f": the stage {lacking.name} {STATES[lacking.state]}"
    return (
        f"{path} is an unfinished run, which has no bundle yet{why}; `hintlite run "
        f"{shlex.quote(str(path))}` goes on with it"
    )
