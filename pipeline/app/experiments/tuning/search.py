"""What is searched: names of a run's settings with ranges or choices, checked against them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin

from hintlite.errors import SettingsError
from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.app.experiments.definitions import known, mapping, nested
from hintlite.pipeline.app.settings.known import setting_types, unknown
from hintlite.pipeline.app.settings.text import check_types
from hintlite.pipeline.settings.base import require

RANGE_FIELDS = ("low", "high", "log", "step")
# Settings that a search cannot change, and why.
FIXED = {
    "seed": "`seeds` of the tuning names the seeds",
    "teacher_seed": "all trials are compared with the same teacher's help",
    "arms": "`arm` of the tuning names the method",
    "training.choose_by": "all trials are scored by one figure, that of the base",
    **dict.fromkeys(
        ("deploy", "deterministic", "cache", "quantize", "bundle_samples", "benchmark"),
        "it has no influence on what a student learns",
    ),
}
# Other settings of the data decide who is validated on.
FREE_DATA = ("data.augmentation", "data.normalization", "data.calibration_samples")


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included.

    Args:
        low: the smallest.
        high: the largest.
        whole: whether only whole numbers are meant.
        log: whether they are drawn evenly over their logarithm.
        step: distance of one number from the next; None for all of them.
    """

    low: float
    high: float
    whole: bool
    log: bool = False
    step: float | None = None


@dataclass(frozen=True)
class Choices:
    """One of several values, which can be lists or parts of the settings.

    Args:
        values: each as JSON, for the storage takes no lists.
    """

    values: tuple[str, ...]


Space = Range | Choices


def read_search(content: Any, place: str) -> dict[str, Space]:
    """The search part of a tuning's file.

    Raises:
        SettingsError: an unknown setting, one that cannot be searched, or values it cannot have.
    """
    given = mapping(content, place)
    require(len(given) > 0, f"{place} is empty: name a setting, such as training.learning_rate")
    for name in given:
        _check_name(str(name), place)
    _refuse_overlaps([str(name) for name in given], place)
    return {
        str(name): _space(str(name), value, f"{place}: {name}") for name, value in given.items()
    }


def _check_name(name: str, place: str) -> None:
    names = setting_types()
    require(name in names, f"{place}: {unknown('setting', name, names)}")
    first = name.split(".", maxsplit=1)[0]
    why = FIXED.get(name, FIXED.get(first))
    require(why is None, f"{place}: {name} cannot be searched: {why}")
    free = any(name == part or name.startswith(f"{part}.") for part in FREE_DATA)
    require(
        first != "data" or free,
        f"{place}: {name} cannot be searched: it decides which samples there are, and accuracies "
        f"on other samples cannot be compared; of the data only {', '.join(FREE_DATA)} can",
    )


def _refuse_overlaps(names: list[str], place: str) -> None:
    for name in names:
        inner = next((other for other in names if other.startswith(f"{name}.")), None)
        require(inner is None, f"{place}: {inner} is a part of {name}: search one of the two")


def _space(name: str, given: Any, place: str) -> Space:
    given = mapping(given, f"{place} (a range {{low, high}} or {{choices}})")
    if "choices" in given:
        known(given, ("choices",), place)
        return _choices(name, given["choices"], place)
    return _range(name, given, place)


def _choices(name: str, values: Any, place: str) -> Choices:
    require(isinstance(values, list), f"{place}: choices: expected a list, got {values!r}")
    texts = tuple(json.dumps(_plain(name, value, place)) for value in values)
    require(
        1 < len(texts) == len(set(texts)),
        f"{place}: choices: expected two different values or more, got {values}",
    )
    return Choices(texts)


def _plain(name: str, value: Any, place: str) -> Any:
    """A value that the setting's type allows."""
    kinds = _numbers(name)
    if kinds and isinstance(value, (str, int, float)):  # YAML reads 1e-3, without a point, as text
        value = _number(value, int if kinds == {int} else float, place)
    try:
        check_types(nested({name: value}))
    except WrongUseError as error:
        said = " ".join(str(error).split())
        raise SettingsError(f"{place}: {value!r} is no value of this setting ({said})") from error
    return value


def _range(name: str, given: Mapping[str, Any], place: str) -> Range:
    known(given, RANGE_FIELDS, place)
    kinds = _numbers(name)
    require(bool(kinds), f"{place}: a range is for numbers; name the values under `choices`")
    require(
        {"low", "high"} <= given.keys(), f"{place}: expected low and high, or choices; got {given}"
    )
    kind = int if kinds == {int} else float
    low, high = (_number(given[end], kind, f"{place}: {end}") for end in ("low", "high"))
    step = None if given.get("step") is None else _number(given["step"], kind, f"{place}: step")
    log = given.get("log", False)
    require(isinstance(log, bool), f"{place}: log: expected true or false, got {log!r}")
    require(low < high, f"{place}: low ({low}) must be below high ({high})")
    require(step is None or step > 0, f"{place}: step must be above 0; got {step}")
    require(not log or low > 0, f"{place}: log needs a low above 0; got {low}")
    require(not log or step is None, f"{place}: a logarithmic range has no step: leave one out")
    return Range(low, high, kind is int, log, step)


def _numbers(name: str) -> set[type]:
    """Which kinds of numbers a setting takes: int, float, or none."""
    kind = setting_types()[name]
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    return {each for each in kinds if each in (int, float)}


def _number(value: Any, kind: type, place: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    wrong = isinstance(value, bool) or not abs(number) < float("inf")
    if wrong or (kind is int and not number.is_integer()):
        expected = "a whole number" if kind is int else "a number"
        raise SettingsError(f"{place}: expected {expected}, got {value!r}")
    return int(number) if kind is int else number
