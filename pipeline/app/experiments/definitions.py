"""What the files of studies and tunings have in common: settings, seeds, names with values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hintlite.errors import SettingsError
from hintlite.pipeline.app.settings.named_data import SETS
from hintlite.pipeline.settings.base import require

WHOLE = ("pairs", "taps", "layers")  # settings without fixed fields: replaced, not merged
NETWORKS = ("teacher", "student")


def read_base(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The settings in common, nested: those under `base`, or those of the file that it names.

    Args:
        content: of a study's or a tuning's file.
        path: that file; a name under `base` is seen from its folder.
    """
    base = content.get("base", {})
    if isinstance(base, str):
        base = read_yaml(path.parent / base)
    return nested(mapping(base, f"{path}: base"))


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The base with the changes made to it.

    A network that is described by a preset or a family replaces the base's whole network.
    """
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping) and not _replaces(key, value):
            result[key] = merged(old, value)
        else:
            result[key] = value
    return result


def _replaces(key: str, value: Mapping[str, Any]) -> bool:
    """Whether a part of the settings takes the place of the base's, instead of changing it."""
    return key in WHOLE or (key in NETWORKS and not {"preset", "family"}.isdisjoint(value))


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with dots in their names as settings within settings.

    {"kd.temperature": 4} -> {"kd": {"temperature": 4}}
    """
    result: dict[str, Any] = {}
    for key, value in settings.items():
        inner: Any = nested(value) if isinstance(value, Mapping) else value
        first, *parts = str(key).split(".")
        for part in reversed(parts):
            inner = {part: inner}
        result = merged(result, {first: inner})
    return result


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that holds names with values.

    Raises:
        SettingsError: it cannot be read, or holds something else.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise SettingsError(f"{path} cannot be read: {reason}") from error
    return mapping(content, str(path))


def mapping(value: Any, place: str) -> dict[str, Any]:
    """Names with values; anything else is refused."""
    require(
        isinstance(value, Mapping),
        f"{place}: expected names with values, got {type(value).__name__}",
    )
    return dict(value)


def require_data(settings: Mapping[str, Any], place: str) -> None:
    """Refuses settings that name no data: nothing is trained on the digits unless it is said.

    Args:
        settings: nested, before the defaults.
        place: for the message.
    """
    data = mapping(settings.get("data", {}), f"{place}: data")
    named = data.get("source") is not None or data.get("path") is not None
    require(
        named,
        f"{place}: no data are named: write data: {{source: folder, path: photos}} (or npz with a "
        f"file), or data: {{source: NAME}} for one of {', '.join(SETS)}",
    )


def known(content: Mapping[str, Any], fields: tuple[str, ...], place: str) -> None:
    """Refuses names that are none of the fields."""
    for key in content:
        require(key in fields, f"{place}: there is no {key!r}; known: {', '.join(fields)}")


def read_seeds(value: Any, place: str) -> tuple[int, ...]:
    """Different whole numbers, at least one; anything else is refused."""
    numbers = isinstance(value, list) and all(type(seed) is int and seed >= 0 for seed in value)
    require(
        numbers and 0 < len(set(value)) == len(value),
        f"{place}: expected different whole numbers, 0 or more, such as [0, 1, 2]; got {value}",
    )
    return tuple(value)
