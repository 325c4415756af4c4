"""Settings as keys: what decides an outcome, as plain data that new settings leave as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, asdict, field, fields, is_dataclass
from typing import Any

_ADDED = "added"


def added(default: Any = MISSING, *, factory: Callable[[], Any] | Any = MISSING) -> Any:
    """A field that a dataclass of settings got after keys were made of it.

    While it has its default it is no part of a key, so that what was made before it existed still
    counts.

    Args:
        default: its value where none is given; what was done before there was a choice.
        factory: makes that value, for a part with settings of its own.
    """
    return field(default=default, default_factory=factory, metadata={_ADDED: True})


def keyed(settings: Any) -> dict[str, Any]:
    """A dataclass of settings as plain data for a key, without `added` fields at their default."""
    return {
        each.name: _plain(getattr(settings, each.name))
        for each in fields(settings)
        if not is_added(each) or getattr(settings, each.name) != _default(each)
    }


def added_defaults(settings: Any) -> dict[str, Any]:
    """Every `added` field of a dataclass and of its parts -> its default, as plain data, nested."""
    found: dict[str, Any] = {}
    for each in fields(settings):
        value = getattr(settings, each.name)
        if is_added(each):
            found[each.name] = _whole(_default(each))
        elif is_dataclass(value) and (inner := added_defaults(value)):
            found[each.name] = inner
    return found


def is_added(each: Field[Any]) -> bool:
    """Whether `added` made the field."""
    return _ADDED in each.metadata


def _default(each: Field[Any]) -> Any:
    if each.default_factory is not MISSING:
        return each.default_factory()
    return each.default


def _whole(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return keyed(value)
    if isinstance(value, (list, tuple)):
        return type(value)(map(_plain, value))
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value
