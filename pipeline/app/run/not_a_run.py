"""What to say of a folder that is no run, a misspelt name most often, or an unfinished one."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Sequence
from pathlib import Path

from hintlite.pipeline.app.run.console import LOG
from hintlite.pipeline.app.run.folder import RunError
from hintlite.pipeline.runs.layout import RECORD, SETTINGS

# What a start that failed, or was stopped at once, leaves in a folder.
_LEFTOVERS = (LOG, "given", "tensorboard")


def not_a_run(path: Path) -> str:
    """The sentence without a stop, with the run beside it that has the nearest name."""
    others = [place.parent.name for place in path.absolute().parent.glob(f"*/{SETTINGS}")]
    near = difflib.get_close_matches(path.name, others, n=1)
    meant = f" (did you mean {path.with_name(near[0])}?)" if near else ""
    return f"{path} is not a run folder{meant}"


def require_place(path: Path) -> None:
    """Refuses a folder for a run that holds something else, such as a bundle or pictures.

    Args:
        path: may be missing.

    Raises:
        RunError: it is there, is not empty and is no run.
    """
    wanted = (
        "which is no run: a run needs a new or empty folder, or one of a run that it goes on with; "
        "name another"
    )
    _require_own(path, (SETTINGS, f"data/{RECORD}"), _LEFTOVERS, wanted)


def require_out(path: Path, record: str) -> None:
    """Refuses a folder for the files of a model that holds something else.

    Args:
        path: may be missing.
        record: the file in its folder "model" by which an earlier outcome is known.

    Raises:
        RunError: it is there, is not empty and holds no such outcome.
    """
    wanted = "which this command did not write: give --out a new or empty folder"
    _require_own(path, (f"model/{record}",), (LOG, "model"), wanted)


def _require_own(path: Path, records: Sequence[str], leftovers: Sequence[str], wanted: str) -> None:
    if path.exists() and not path.is_dir():
        raise RunError(f"{path} is a file: name a folder")
    if not path.is_dir() or any((path / record).is_file() for record in records):
        return
    found = sorted(
        each.name
        for each in path.iterdir()
        if not (each.name.startswith(".") or each.name in leftovers or each.suffix == ".partial")
    )
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise RunError(f"{path} holds {', '.join(found[:_SHOWN])}{more}, {wanted}")


_SHOWN = 3  # files in a message


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
