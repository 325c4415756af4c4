"""What hintlite refuses or cannot do: one base class, and the refusals that all folders share."""

from __future__ import annotations

FAILED, WRONG_USE = 1, 2


class HintliteError(Exception):
    """Bad input, or a result that is not good enough to go on with.

    Its message is for the user: what was expected, what came, and what to do. Whatever is raised
    and is no HintliteError (nor an OSError about files) is a fault of hintlite itself.

    Attributes:
        exit_code: what a command ends with. WRONG_USE: what it was given has to be changed, its
            words or the files and folders that they name. FAILED: the work failed, or its outcome
            is not good enough.
    """

    exit_code: int = FAILED


def exit_code(error: BaseException) -> int:
    """What a command ends with that this has ended; a refusal told in other words still is one."""
    told: BaseException | None = error
    while told is not None:
        if isinstance(told, HintliteError) and told.exit_code == WRONG_USE:
            return WRONG_USE
        told = told.__cause__
    return FAILED


class SettingsError(HintliteError, ValueError):
    """A setting or an argument, or a combination of them, that cannot work.

    A ValueError too: that is how a parser of command lines learns that a value is refused.
    """

    exit_code = WRONG_USE


class DataError(HintliteError):
    """Samples or labels that cannot be used."""

    exit_code = WRONG_USE


class NetworkError(HintliteError):
    """A network that cannot be built, read or changed as asked."""

    exit_code = WRONG_USE
