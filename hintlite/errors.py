"""What hintlite refuses or cannot do: one base class, and the refusals that all folders share."""

from __future__ import annotations


class HintliteError(Exception):
    """Bad input, or a result that is not good enough to go on with.

    Its message is for the user: what was expected, what came, and what to do. Whatever is raised
    and is no HintliteError (nor an OSError about files) is a fault of hintlite itself.
    """


class SettingsError(HintliteError, ValueError):
    """A setting or an argument, or a combination of them, that cannot work.

    A ValueError too: that is how a parser of command lines learns that a value is refused.
    """


class DataError(HintliteError):
    """Samples or labels that cannot be used."""


class NetworkError(HintliteError):
    """A network that cannot be built, read or changed as asked."""
