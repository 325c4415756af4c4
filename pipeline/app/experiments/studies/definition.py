"""A study's file: which arms, on which seeds, with which settings in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hintlite.pipeline.app.experiments.definitions import (
    known,
    mapping,
    nested,
    read_base,
    read_seeds,
    read_yaml,
)
from hintlite.pipeline.settings.base import require

FIELDS = ("base", "arms", "seeds", "teacher_seeds", "compare_with")
ARM_FIELDS = ("arm", "settings", "seeds")
OWN = ("seed", "teacher_seed", "arms", "deploy")  # settings that the study decides itself
REFERENCES = ("scratch", "kd", "output_only")  # that the paper's claims are measured against


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


def _names(value: Any, place: str) -> list[str]:
    require(
        isinstance(value, list) and len(set(map(str, value))) == len(value),
        f"{place}: expected a list of different arms; got {value}",
    )
    return [str(name) for name in value]
