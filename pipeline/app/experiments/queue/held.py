"""Whether somebody is at work on a job."""

from __future__ import annotations

import fcntl
from pathlib import Path


def is_held(folder: Path) -> bool:
    """Whether a process holds the lock of a folder that it works in."""
    try:
        with (folder / ".lock").open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
