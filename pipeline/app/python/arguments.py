"""The one error about what a caller of `hintlite.<function>` has given."""

from __future__ import annotations

from hintlite.errors import HintliteError


class ArgumentError(HintliteError, ValueError):
    """An argument that cannot be: what was expected, what came, and what to do."""
