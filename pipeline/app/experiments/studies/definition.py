"""A study's file: which arms, on which seeds, with which settings in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hintlite.errors import SettingsError
from hintlite.pipeline.settings.base import require

FIELDS = ("base", "arms", "seeds", "teacher_seeds", "compare_with")
ARM_FIELDS = ("arm", "settings", "seeds")
OWN = ("seed", "teacher_seed", "arms", "deploy")  # settings that the study decides itself
REFERENCES = ("scratch", "kd", "output_only")  # that the paper's claims are measured against
WHOLE = ("pairs", "taps", "layers")  # settings without fixed fields: replaced, not merged
NETWORKS = ("teacher", "student")


@dataclass(frozen=True)
class Arm:
    """One method with its settings.

    Args:
        name: in tables and pictures.
        method: one method, or several joined by "+".
        settings: a run's settings that differ from the study's base, nested.
        seeds: of its students.
    """

    name: str
    method: str
    settings: Mapping[str, Any]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Study:
    """What a study's file says.

    Args:
        name: the file's, without its ending.
        base: the settings that all runs have in common, nested.
        arms: what is compared.
        teacher_seeds: one teacher each; every arm and seed is run with each teacher.
        compare_with: the arms that every other is compared with.
    """

    name: str
    base: Mapping[str, Any]
    arms: tuple[Arm, ...]
    teacher_seeds: tuple[int, ...]
    compare_with: tuple[str, ...]


def read_study(path: Path) -> Study:
    """Reads a study's file.

    Raises:
        SettingsError: it cannot be read, or says something that cannot work.
    """
    content = read_yaml(path)
    known(content, FIELDS, str(path))
    require("arms" in content, f"{path}: expected `arms`, the methods to compare")
    base = read_base(content, path)
    arms = _arms(
        content["arms"], read_seeds(content.get("seeds", [0, 1, 2]), f"{path}: seeds"), path
    )
    names = [arm.name for arm in arms]
    default = [name for name in REFERENCES if name in names]
    references = tuple(_names(content.get("compare_with", default), f"{path}: compare_with"))
    for name in references:
        require(
            name in names,
            f"{path}: compare_with names {name!r}, which is none of its arms {', '.join(names)}",
        )
    teachers = read_seeds(content.get("teacher_seeds", [0]), f"{path}: teacher_seeds")
    return Study(path.stem, base, arms, teachers, references)


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


def _arms(content: Any, seeds: tuple[int, ...], path: Path) -> tuple[Arm, ...]:
    """The arms, given as a list of methods or as names with what each of them is."""
    if isinstance(content, list):
        content = dict.fromkeys(map(str, content))
    content = mapping(content, f"{path}: arms")
    require(len(content) > 0, f"{path}: arms is empty: name at least one, for example hint+kd")
    return tuple(_arm(str(name), given or {}, seeds, path) for name, given in content.items())


def _arm(name: str, given: Any, seeds: tuple[int, ...], path: Path) -> Arm:
    place = f"{path}: arms: {name}"
    given = mapping(given, place)
    known(given, ARM_FIELDS, place)
    settings = nested(mapping(given.get("settings", {}), f"{place}: settings"))
    for key in OWN:
        require(
            key not in settings,
            f"{place}: settings: {key} is not an arm's: `arm` names the method, `seeds` and "
            "`teacher_seeds` the seeds",
        )
    own = read_seeds(given["seeds"], f"{place}: seeds") if "seeds" in given else seeds
    return Arm(name, str(given.get("arm", name)), settings, own)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that holds names with values.

    Raises:
        SettingsError: it cannot be read, or holds something else.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else re.sub(r"\s+", " ", str(error))
        raise SettingsError(f"{path} cannot be read: {reason}") from error
    return mapping(content, str(path))


def mapping(value: Any, place: str) -> dict[str, Any]:
    """Names with values; anything else is refused."""
    require(
        isinstance(value, Mapping),
        f"{place}: expected names with values, got {type(value).__name__}",
    )
    return dict(value)


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


def _names(value: Any, place: str) -> list[str]:
    require(
        isinstance(value, list) and len(set(map(str, value))) == len(value),
        f"{place}: expected a list of different arms; got {value}",
    )
    return [str(name) for name in value]
