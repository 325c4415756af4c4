"""A tuning's file: which settings are searched, for which method, how long and by what measure."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from hintlite.errors import SettingsError
from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.app.experiments.definitions import (
    known,
    mapping,
    merged,
    nested,
    read_base,
    read_seeds,
    read_yaml,
    require_data,
)
from hintlite.pipeline.app.experiments.tuning.search import Choices, Space, read_search
from hintlite.pipeline.app.settings.text import config_from
from hintlite.pipeline.settings.base import require
from hintlite.pipeline.settings.run import RunConfig
from hintlite.pipeline.settings.training import ChooseBy

FIELDS = ("base", "arm", "trials", "timeout_minutes", "objective", "seeds", "search", "pruning")
FLOAT, INT8 = "float", "int8"
LENGTH = "training.epochs"


@dataclass(frozen=True)
class Pruning:
    """When a trial is given up: below the median of the others at the same epoch.

    Args:
        trials: so many must be complete before one is given up.
        epochs: a trial is not given up before this epoch of its task phase.
    """

    trials: int = 5
    epochs: int = 2


@dataclass(frozen=True)
class Tuning:
    """What a tuning's file says.

    Args:
        name: the file's, without its ending.
        base: a run's settings, nested; the search changes some of them.
        arm: one method, or several joined by "+".
        trials: how many settings are tried, over all commands.
        timeout_minutes: a command begins no trial after this time.
        objective: whether the "float" or the "int8" student is scored on validation data, by what
            `training.choose_by` of the base names.
        seeds: of the students; a trial's value is the mean over them.
        search: setting -> where it is searched.
        pruning: when a trial is given up; None for never.
    """

    name: str
    base: Mapping[str, Any]
    arm: str
    trials: int
    timeout_minutes: float | None
    objective: str
    seeds: tuple[int, ...]
    search: Mapping[str, Space]
    pruning: Pruning | None

    @cached_property
    def chosen_by(self) -> ChooseBy:
        """What trials are scored by, and their epochs chosen by: one of CHOOSE_BY."""
        return self._config({}, None).training.chosen_by

    def config(self, values: Mapping[str, Any], seed: int | None = None) -> RunConfig:
        """The settings of a run, whose epoch is chosen by what all trials are scored by.

        Args:
            values: of the searched settings; the base's where one is not among them.
            seed: of the student; the first if None.

        Raises:
            WrongUseError: settings that cannot work together.
        """
        config = self._config(values, seed)
        if config.training.chosen_by == self.chosen_by:
            return config
        return replace(config, training=replace(config.training, choose_by=self.chosen_by))

    def _config(self, values: Mapping[str, Any], seed: int | None) -> RunConfig:
        settings = merged(self.base, nested(values))
        own = {
            "seed": self.seeds[0] if seed is None else seed,
            "teacher_seed": teacher_seed(self.base),
            "arms": [self.arm],
            "deploy": "best",
        }
        return config_from(settings | own)

    def base_values(self) -> dict[str, Any]:
        """The base in the words of the search, setting -> value.

        A choice that says only what it changes stands for the base if it changes nothing.
        """
        base = self.config({})
        settings = asdict(base)
        found = {name: setting(settings, name) for name in self.search}
        for name, space in self.search.items():
            for value in map(json.loads, space.values if isinstance(space, Choices) else ()):
                with contextlib.suppress(WrongUseError):  # it may work beside other values only
                    if self.config({name: value}) == base:
                        found[name] = value
        return found


def setting(settings: Mapping[str, Any], name: str) -> Any:
    """A setting by its name with dots, as plain data."""
    value: Any = settings
    for part in name.split("."):
        value = value[part]
    return plain(value)


def plain(value: Any) -> Any:
    """As it comes back from JSON: tuples are lists."""
    return json.loads(json.dumps(value))


def teacher_seed(base: Mapping[str, Any]) -> int:
    """The base's, so that students of all seeds share the teacher."""
    named = base.get("teacher_seed")
    return int(base.get("seed", 0) if named is None else named)


def read_tuning(path: Path) -> Tuning:
    """Reads a tuning's file.

    Raises:
        SettingsError: it cannot be read, or says something that cannot work.
    """
    content = read_yaml(path)
    known(content, FIELDS, str(path))
    for field in ("arm", "search"):
        require(field in content, f"{path}: expected `{field}`")
    base = read_base(content, path)
    search = read_search(content["search"], f"{path}: search")
    tuning = Tuning(
        name=path.stem,
        base=base,
        arm=str(content["arm"]),
        trials=_count(content.get("trials", 30), f"{path}: trials"),
        timeout_minutes=_minutes(content.get("timeout_minutes"), f"{path}: timeout_minutes"),
        objective=_objective(content.get("objective", FLOAT), path),
        seeds=read_seeds(content.get("seeds", [base.get("seed", 0)]), f"{path}: seeds"),
        search=search,
        pruning=_pruning(content, search, path),
    )
    try:
        tuning.config({})
    except WrongUseError as error:
        raise SettingsError(f"{path}: base: {error}") from error
    require_data(base, f"{path}: base")
    return tuning


def _objective(value: Any, path: Path) -> str:
    require(
        value in (FLOAT, INT8),
        f"{path}: objective: expected {FLOAT} or {INT8}, the student that is scored; got {value!r}",
    )
    return str(value)


def _pruning(content: Mapping[str, Any], search: Mapping[str, Space], path: Path) -> Pruning | None:
    """Off where the number of epochs is searched: long schedules learn later than short ones."""
    given = content.get("pruning", LENGTH not in search)
    if given is False:
        return None
    require(
        LENGTH not in search,
        f"{path}: pruning compares trials at the same epoch, where a long schedule is behind a "
        f"short one: with {LENGTH} in the search leave pruning out",
    )
    fields = {} if given is True else mapping(given, f"{path}: pruning")
    known(fields, ("trials", "epochs"), f"{path}: pruning")
    return Pruning(**{key: _count(n, f"{path}: pruning: {key}") for key, n in fields.items()})


def _count(value: Any, place: str) -> int:
    require(type(value) is int and value >= 1, f"{place}: expected 1 or more, got {value!r}")
    return int(value)


def _minutes(value: Any, place: str) -> float | None:
    if value is None:
        return None
    number = type(value) in (int, float) and value > 0
    require(number, f"{place}: expected a number of minutes above 0, got {value!r}")
    return float(value)
