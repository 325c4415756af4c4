"""The check that all settings share."""

from __future__ import annotations

from hintlite.errors import SettingsError


def require(condition: bool, message: str) -> None:
    """Raises SettingsError(message) unless the condition holds."""
    if not condition:
        raise SettingsError(message)
