"""Two results, what changed between them, and whether that keeps to the bounds.

Compared is only what can be: another task, another device or another way of measuring is refused.
What one result knows and the other does not is not checked, and said.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from hintlite.benchmarks.results import Outcome
from hintlite.errors import WRONG_USE, HintliteError

# The first that both results have is what --max_slowdown bounds.
SPEEDS = ("p50_us", "mean_us", "instructions_per_inference")
REFUSALS = (  # part of an outcome, what a difference in it is, what to do
    ("task", "different tasks", "compare models of one data set, measured on the same samples"),
    ("device", "different devices", "measure both on one device"),
    ("method", "results not measured the same way", "measure both with the same settings"),
)
ROUNDING = 1e-9  # 90.5 % less 90.3 % is no more than 0.2 points, whatever binary fractions say
TITLES = {
    "samples": "sample set",
    "input_shape": "input",
    "kind": "kind of result",
    "model": "device's name",
}


class CompareError(HintliteError):
    """Results that cannot be compared, or not by the asked bounds."""

    exit_code = WRONG_USE


@dataclass(frozen=True)
class Bounds:
    """How much worse the second result may be; None is no bound.

    Attributes:
        max_slowdown_percent: of the median latency (the mean, or the instructions, where there is
            no median), in percent of the first result's.
        max_drop_points: of the accuracy, in percentage points.
    """

    max_slowdown_percent: float | None = None
    max_drop_points: float | None = None

    def __post_init__(self) -> None:
        """Refuses bounds that bound nothing."""
        for name, value in asdict(self).items():
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise CompareError(f"{name} must be a number from 0 on, got {value}")


@dataclass(frozen=True)
class Change:
    """Something that is another one: a model's hash, a version, a setting."""

    what: str
    first: Any
    second: Any


@dataclass(frozen=True)
class Figure:
    """A figure that both results have.

    Attributes:
        name: with its unit (_us, _bytes), "accuracy" is a share.
        first, second: its values.
        change_percent: of the first; None where that is 0.
    """

    name: str
    first: float
    second: float
    change_percent: float | None


@dataclass(frozen=True)
class Comparison:
    """What came out.

    Attributes:
        first, second: the places of the results.
        changes: what is another one.
        figures: what both have.
        notes: what could not be checked, and what makes the comparison doubtful.
        broken: a sentence for each bound that is broken.
    """

    first: str
    second: str
    changes: tuple[Change, ...]
    figures: tuple[Figure, ...]
    notes: tuple[str, ...]
    broken: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything in types that JSON knows."""
        return {"within_bounds": not self.broken, **asdict(self)}


def compare(first: Outcome, second: Outcome, bounds: Bounds | None = None) -> Comparison:
    """Compares the second result with the first.

    Args:
        first: what was before.
        second: what is now.
        bounds: how much worse it may be.

    Raises:
        CompareError: they cannot be compared; the text names everything that stands against it.
    """
    limits = bounds or Bounds()
    _refuse(first, second)
    return Comparison(
        first=first.place,
        second=second.place,
        changes=tuple(_changes(first, second)),
        figures=tuple(_figures(first, second)),
        notes=(
            *_unchecked(first, second),
            *_another_system(first, second),
            *_doubts((first, second)),
        ),
        broken=(*_slowdown(first, second, limits), *_drop(first, second, limits)),
    )


def _refuse(first: Outcome, second: Outcome) -> None:
    for outcome in (first, second):
        if outcome.verdict == "invalid":
            reasons = "; ".join(outcome.reasons)
            raise CompareError(f"{outcome.place} is invalid ({reasons}): measure it again")
    faults = []
    for part, title, cure in REFUSALS:
        differing = [
            f"{TITLES.get(name, name)} {_shown(one)} and {_shown(other)}"
            for name, one, other in _both(first, second, part)
            if one != other
        ]
        if differing:
            faults.append(f"{title}: {', '.join(differing)}; {cure}")
    if faults:
        raise CompareError(f"{first.place} and {second.place} are " + "\nand ".join(faults))


def _both(first: Outcome, second: Outcome, part: str) -> Iterable[tuple[str, Any, Any]]:
    """Name and values of the facts that both results know."""
    ours, theirs = getattr(first, part), getattr(second, part)
    for name in ours:
        if (part, name) == ("device", "target") and _one_system(first, second):
            continue  # one device under two names
        if ours[name] is not None and theirs.get(name) is not None:
            yield name, ours[name], theirs[name]


def _one_system(first: Outcome, second: Outcome) -> bool:
    return first.system_id is not None and first.system_id == second.system_id


def _another_system(first: Outcome, second: Outcome) -> list[str]:
    """Whether one name has meant two systems, which may be one board installed anew."""
    name = first.device.get("target")
    named_alike = name is not None and name == second.device.get("target")
    ids = {first.system_id, second.system_id}
    if not named_alike or None in ids or len(ids) == 1:
        return []
    return [f"{name} was another system each time: another device, or one installed anew"]


def _unchecked(first: Outcome, second: Outcome) -> list[str]:
    """What only one result, or neither, says about task, device and method."""
    notes = []
    for part, names in (
        ("task", ("labels", "input_shape", "samples")),
        ("device", ("model",)),
        ("method", ("kernels", "threads")),
    ):
        for name in names:
            known = [getattr(each, part).get(name) is not None for each in (first, second)]
            if not all(known) and not _needless(first, second, part, name):
                who = "neither result says" if not any(known) else "only one result says"
                notes.append(f"{TITLES.get(name, name)} not compared: {who}")
    return notes


def _needless(first: Outcome, second: Outcome, part: str, name: str) -> bool:
    """A CPU tells devices apart too, and kernels and threads are a matter of TFLite."""
    if part == "device":
        return any(fact == "cpu" for fact, *_ in _both(first, second, "device"))
    return part == "method" and "simulated" in (first.method.get("kind"), second.method.get("kind"))


def _doubts(outcomes: Iterable[Outcome]) -> list[str]:
    return [
        f"{outcome.place} is doubtful: {'; '.join(outcome.reasons)}"
        for outcome in outcomes
        if outcome.verdict == "doubtful"
    ]


def _changes(first: Outcome, second: Outcome) -> Iterable[Change]:
    for part in ("model", "software"):
        ours, theirs = getattr(first, part), getattr(second, part)
        for name in dict.fromkeys((*ours, *theirs)):
            one, other = ours.get(name), theirs.get(name)
            if one != other:
                yield Change(f"model {name}" if part == "model" else name, one, other)


def _figures(first: Outcome, second: Outcome) -> Iterable[Figure]:
    for name, one, other in _both(first, second, "figures"):
        yield Figure(name, one, other, 100 * (other - one) / one if one else None)


def speed(first: Outcome, second: Outcome) -> str | None:
    """The figure that a slow-down is told by; None if they have none in common."""
    known = [name for name in SPEEDS if name in first.figures and name in second.figures]
    return known[0] if known else None


def _slowdown(first: Outcome, second: Outcome, bounds: Bounds) -> list[str]:
    limit = bounds.max_slowdown_percent
    if limit is None:
        return []
    name = speed(first, second)
    if name is None or not first.figures[name]:
        raise CompareError(
            "the results have no latency in common, so that --max_slowdown cannot be judged: "
            "measure both anew"
        )
    slower = 100 * (second.figures[name] / first.figures[name] - 1)
    if slower <= limit + ROUNDING:
        return []
    return [
        f"slower by {slower:.2f} % ({name} {first.figures[name]:,.1f} to "
        f"{second.figures[name]:,.1f}), allowed are {limit:g} %"
    ]


def _drop(first: Outcome, second: Outcome, bounds: Bounds) -> list[str]:
    limit = bounds.max_drop_points
    if limit is None:
        return []
    if "accuracy" not in first.figures or "accuracy" not in second.figures:
        raise CompareError(
            "not both results have an accuracy, so that --max_drop cannot be judged: measure a "
            "bundle, whose samples have labels, or compare run folders"
        )
    before, now = (100 * each.figures["accuracy"] for each in (first, second))
    if before - now <= limit + ROUNDING:
        return []
    return [
        f"accuracy fell by {before - now:.2f} points ({before:.2f} % to {now:.2f} %), allowed are "
        f"{limit:g}"
    ]


def _shown(value: Any) -> str:
    """A fact in a sentence: hashes shortened, shapes as 28x28x1."""
    if isinstance(value, str) and len(value) == 64:
        return value[:12]
    if isinstance(value, list) and value and all(isinstance(each, int) for each in value):
        return "x".join(map(str, value))
    return str(value)
