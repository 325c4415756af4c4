"""How to read a study's tables, in the words of the page and of the Markdown alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import Cell

SIGNIFICANT = "significant"  # the verdict of a comparison, in the facts

REFERENCE_NOTE = (
    "Differences are paired: an arm and its reference with the same seeds and the same teacher. "
    "The test is the paired t test; p is adjusted by the method of Holm for all comparisons in one "
    "precision, those of runs still to come too, and a difference is significant below 0.05. The "
    "intervals are each for its own pair, without that adjustment. Fewer than 3 pairs give neither "
    "interval nor test; nor do pairs that all differ by the same amount (no spread), except that "
    "pairs without any difference count as p = 1. With several teachers the pairs are the "
    "teachers, each with the mean over its seeds."
)
ARMS_NOTE = (
    "Mean over runs (seeds, of each teacher) with its 95 % t interval, which equal values do not "
    "have; accuracy on the test data, which each run evaluates at its end. A t interval knows no "
    "bound at 100 %: where accuracies lie close to it, its upper end can lie above. Times depend "
    "on the machine and on what else it did."
)
DROPS_NOTE = (
    "INT8 minus float of the same student, in points; p adjusted by the method of Holm over the "
    "arms."
)
PICTURE_NOTE = (
    "Hollow: float32; filled: INT8. Bars are 95 % intervals. In the differences, coloured is "
    "significant after correction, grey is not."
)


def about(facts: Mapping[str, Any]) -> str:
    """The study in a line."""
    done, planned = (sum(arm[field] for arm in facts["arms"]) for field in ("n", "planned"))
    unfinished = "" if done == planned else f" of {planned}"
    return (
        f"{len(facts['arms'])} arms, {done}{unfinished} runs, {len(facts['teachers'])} teacher(s)"
    )


def span(value: Mapping[str, Any], form: Callable[[float], str] = formats.points) -> Cell:
    """An interval in points: 92.10 to 92.70, or with another form -0.10 to +0.42."""
    low, high = value["low"], value["high"]
    return Cell(formats.DASH if low is None else f"{form(low)} to {form(high)}", low)


def chance(value: float | None) -> str:
    """A p value: 0.034, or < 0.001."""
    if value is None:
        return formats.DASH
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def duration(seconds: float | None) -> str:
    """A time: 41 s, 12.5 min."""
    if seconds is None:
        return formats.DASH
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
