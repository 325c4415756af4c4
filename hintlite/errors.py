"""The one base of everything that hintlite refuses or cannot do."""

from __future__ import annotations


class HintliteError(Exception):
    """Bad input, or a result that is not good enough to go on with.

    Its message is for the user: what was expected, what came, and what to do. Whatever is raised
    and is no HintliteError (nor an OSError about files) is a fault of hintlite itself.
    """
