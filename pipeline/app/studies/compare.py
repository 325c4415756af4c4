"""Which arms differ: paired differences, corrected for their number, and the words for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pipeline.app.studies.statistics import LEAST, holm, paired

SIGNIFICANT = 0.05
REAL, OPEN, FEW, SAME = "real", "not told apart", "too few seeds", "no spread"
Values = Mapping[str, Mapping[tuple[int, int], float]]  # arm -> (teacher seed, seed) -> value


def comparisons(values: Values, references: Sequence[str]) -> list[dict[str, Any]]:
    """Each arm against each reference over the seeds that both have; each pair once.

    All of them are one family for Holm's correction. With several teachers the differences are
    averaged for each of them first, and the pairs are the teachers.

    Args:
        values: what is compared.
        references: arms that the others are compared with.

    Returns:
        One dict a pair: arm, reference, n, mean (arm minus reference), sd, low, high, t, p,
        p_adjusted and verdict. An interval is that of its pair alone; only p is corrected.
    """
    found = []
    for place, reference in enumerate(references):
        for arm in values:
            if arm == reference or arm in references[:place] or reference not in values:
                continue
            result = paired(*_over_teachers(values[arm], values[reference]))
            if result is not None:
                row = {"arm": arm, "reference": reference, **asdict(result.difference)}
                found.append(row | {"t": result.t, "p": result.p})
    return adjusted(found)


def _over_teachers(
    first: Mapping[tuple[int, int], float], second: Mapping[tuple[int, int], float]
) -> tuple[Mapping[Any, float], Mapping[Any, float]]:
    """One mean a teacher over the seeds that both have, where there are several teachers.

    Students of one teacher are not independent: what repeats is the teacher.
    """
    both = [key for key in first if key in second]
    teachers = dict.fromkeys(teacher for teacher, _ in both)
    if len(teachers) < 2:
        return first, second
    means = []
    for values in (first, second):
        groups = {t: [values[key] for key in both if key[0] == t] for t in teachers}
        means.append({t: sum(group) / len(group) for t, group in groups.items()})
    return means[0], means[1]


def adjusted(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with their adjusted p and a verdict; those without p are not counted."""
    known = [row["p"] for row in rows if row["p"] is not None]
    corrected = iter(holm(known))
    return [
        row | {"p_adjusted": p, "verdict": _verdict(row, p)}
        for row in rows
        for p in [None if row["p"] is None else next(corrected)]
    ]


def finding(row: Mapping[str, Any], precision: str) -> str:
    """A real difference as a sentence."""
    word = "above" if row["mean"] > 0 else "below"
    return (
        f"{precision}: {row['arm']} is {100 * abs(row['mean']):.2f} points {word} "
        f"{row['reference']} (95 % interval {100 * row['low']:+.2f} to {100 * row['high']:+.2f}, "
        f"{row['n']} pairs, p {row['p_adjusted']:.2g} after Holm)"
    )


def _verdict(row: Mapping[str, Any], p: float | None) -> str:
    if row["n"] < LEAST:
        return FEW
    if p is None:
        return SAME
    return REAL if p < SIGNIFICANT else OPEN
