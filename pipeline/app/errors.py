"""From errors to sentences for the user."""

from __future__ import annotations

import errno

from hintlite.errors import WRONG_USE, HintliteError


class WrongUseError(HintliteError):
    """A command line that cannot be understood; the message says how to put it right."""

    exit_code = WRONG_USE


def sentence(error: BaseException) -> str:
    """What to tell the user; a run's log.txt has the traceback."""
    if isinstance(error, HintliteError):
        return str(error)
    if isinstance(error, OSError):
        return _about_files(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        said = " ".join(str(error).split())[:200] or "a request for more was refused"
        return (
            f"too little memory ({said}): a smaller batch_size or fewer samples (data.limit) need "
            "less; complete stages are kept"
        )
    return (
        f"{type(error).__name__}: {error}\n"
        "this is a fault of hintlite or of a library below it; a run's log.txt has the details"
    )


def _about_files(error: OSError) -> str:
    place = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"no room left to write{place}: {error.strerror}. Complete stages are kept; free some "
            "space and give the same command again"
        )
    return f"{error.strerror or error}{place}"
