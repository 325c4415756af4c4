"""Settings whose type lists their values: `Literal["adam", "sgd"]`."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hintlite.errors import SettingsError


def choices(kind: Any) -> tuple[Any, ...]:
    """The values of a Literal, and None where that is allowed too; empty for any other type."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        found = [value for part in get_args(kind) for value in choices(part)]
        return (*found, None) if found and NoneType in get_args(kind) else tuple(found)
    return ()


def check_choices(settings: Any, place: str = "") -> None:
    """Refuses a value that its field's type does not list.

    Args:
        settings: a dataclass with such fields.
        place: what stands before a field's name in the message, "training." for example.

    Raises:
        SettingsError: names the field, its values and the nearest of them.
    """
    for name, known in _listed(settings.__class__).items():
        value = getattr(settings, name)
        if value not in known:
            raise SettingsError(wrong_choice(f"{place}{name}", value, known))


def wrong_choice(name: str, value: object, known: Sequence[object]) -> str:
    """What to say of a value that is none of those that are known."""
    words = [str(each) for each in known if each is not None]
    near = difflib.get_close_matches(str(value), words, n=1)
    hint = f". Did you mean {near[0]!r}?" if near else ""
    return f"{name} must be one of {', '.join(words)}; got {value!r}{hint}"


@cache
def _listed(kind: Hashable) -> dict[str, tuple[Any, ...]]:
    hints = get_type_hints(kind)
    return {name: found for name, hint in hints.items() if (found := choices(hint))}
