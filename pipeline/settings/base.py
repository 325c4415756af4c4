"""What all settings share: the error, and the checks that raise it."""

from __future__ import annotations

from collections.abc import Sequence

from hintlite.errors import SettingsError


def require(condition: bool, message: str) -> None:
    """Raises SettingsError(message) unless the condition holds."""
    if not condition:
        raise SettingsError(message)


def one_of(name: str, value: object, choices: Sequence[object]) -> None:
    """Raises SettingsError unless the value is one of the choices."""
    listed = ", ".join(str(choice) for choice in choices)
    require(value in choices, f"{name} must be one of {listed}; got {value!r}")
