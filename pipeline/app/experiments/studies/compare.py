"""Which arms differ: paired differences, corrected for their number, and the words for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from hintlite.pipeline.app.experiments.studies.statistics import LEAST, holm, paired
from hintlite.pipeline.report.study.words import SIGNIFICANT

LEVEL = 0.05  # of significance, for the adjusted p
NOT_SIGNIFICANT, FEW, SAME = f"not {SIGNIFICANT}", "too few pairs", "no spread"
Repetition = tuple[int, int]  # teacher seed, seed
Values = Mapping[str, Mapping[Repetition, float]]  # arm -> repetition -> value
Planned = Mapping[str, Collection[Repetition]]  # arm -> its repetitions when the study is done


def comparisons(
    values: Values, references: Sequence[str], planned: Planned
) -> list[dict[str, Any]]:
    """Each arm against each reference over the seeds that both have; each pair once.

    All comparisons of the study are one family for Holm's correction, those too whose runs are
    still to come: a verdict of half a study is not kinder than that of the whole one. With several
    teachers the differences are averaged for each of them first, and the pairs are the teachers.

    Args:
        values: what is compared.
        references: arms that the others are compared with.
        planned: all repetitions of the study.

    Returns:
        One dict a pair: arm, reference, n, mean (arm minus reference), sd, low, high, t, p,
        p_adjusted, family (for how many comparisons) and verdict. An interval is that of its pair
        alone; only p is corrected.
    """
    several = _several_teachers(planned)
    found, waiting = [], 0
    for arm, reference in _pairings(planned, references):
        first, second = values.get(arm, {}), values.get(reference, {})
        result = paired(*_by_teacher(first, second, several))
        if result is not None:
            row = {"arm": arm, "reference": reference, **asdict(result.difference)}
            found.append(row | {"t": result.t, "p": result.p})
        done = 0 if result is None else result.difference.n
        waiting += done < LEAST <= _pairs(planned[arm], planned[reference], several)
    return _adjusted(found, waiting)


def costs(values: Values, planned: Planned) -> list[dict[str, Any]]:
    """Each arm's values against 0, with one family for Holm's correction.

    Args:
        values: a difference within each run.
        planned: all repetitions of the study.

    Returns:
        One dict an arm: the fields of a comparison, without reference.
    """
    several = _several_teachers(planned)
    found, waiting = [], 0
    for arm, keys in planned.items():
        own = values.get(arm, {})
        result = paired(*_by_teacher(own, dict.fromkeys(own, 0.0), several))
        if result is not None:
            row = {"arm": arm, **asdict(result.difference), "t": result.t, "p": result.p}
            found.append(row)
        done = 0 if result is None else result.difference.n
        waiting += done < LEAST <= _pairs(keys, keys, several)
    return _adjusted(found, waiting)


def _pairings(arms: Collection[str], references: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Arm and reference, each pair once."""
    for place, reference in enumerate(references):
        for arm in arms:
            if arm != reference and arm not in references[:place] and reference in arms:
                yield arm, reference


def _several_teachers(planned: Planned) -> bool:
    return len({teacher for keys in planned.values() for teacher, _ in keys}) > 1


def _pairs(first: Collection[Repetition], second: Collection[Repetition], several: bool) -> int:
    """How many pairs two arms have when the study is done."""
    both = set(first) & set(second)
    return len({teacher for teacher, _ in both} if several else both)


def _by_teacher(
    first: Mapping[Repetition, float], second: Mapping[Repetition, float], several: bool
) -> tuple[Mapping[Any, float], Mapping[Any, float]]:
    """One mean a teacher over the seeds that both have, where the study has several teachers.

    Students of one teacher are not independent: what repeats is the teacher.
    """
    if not several:
        return first, second
    both = [key for key in first if key in second]
    means = []
    for values in (first, second):
        groups = {t: [values[key] for key in both if key[0] == t] for t, _ in both}
        means.append({t: sum(group) / len(group) for t, group in groups.items()})
    return means[0], means[1]


def _adjusted(rows: Sequence[dict[str, Any]], waiting: int) -> list[dict[str, Any]]:
    """The rows with their adjusted p and a verdict.

    Rows without a p value are not counted: too few pairs test nothing, and pairs that all differ
    by the same amount would come first in Holm's order and leave the others' factors as they are.
    Those that are waiting for their runs count as if they were to show nothing.
    """
    known = [row["p"] for row in rows if row["p"] is not None]
    family = len(known) + waiting
    corrected = iter(holm([*known, *[1.0] * waiting]))
    return [
        row | {"p_adjusted": p, "family": family, "verdict": _verdict(row, p)}
        for row in rows
        for p in [None if row["p"] is None else next(corrected)]
    ]


def finding(row: Mapping[str, Any], precision: str) -> str:
    """A significant difference as a sentence."""
    word = "above" if row["mean"] > 0 else "below"
    return (
        f"{precision}: {row['arm']} is significantly {word} {row['reference']}, by "
        f"{100 * abs(row['mean']):.2f} points (95 % interval {100 * row['low']:+.2f} to "
        f"{100 * row['high']:+.2f}; paired t test, {row['n']} pairs, p {row['p_adjusted']:.2g} "
        "after Holm)"
    )


def undecided(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """How many comparisons show no significant difference, and how many cannot be tested at all."""
    verdicts = [row["verdict"] for row in rows]
    shown, untested = verdicts.count(NOT_SIGNIFICANT), sum(verdict in WHY for verdict in verdicts)
    lines = []
    if shown:
        verb = "show" if 1 < shown < len(rows) else "shows"
        what = "significant difference"
        lines.append(_so_many(shown, len(rows), f"{verb} no {what}", f"shows a {what}"))
    if untested:
        why = " or ".join(WHY[verdict] for verdict in WHY if verdict in verdicts)
        words = _so_many(untested, len(rows), "cannot be tested", "can be tested")
        lines.append(f"{words}: {why}")
    return lines


def _so_many(count: int, total: int, not_so: str, so: str) -> str:
    """So many comparisons of which something does not hold."""
    if total == 1:
        return f"the only comparison {not_so}"
    if count == total:
        return f"none of the {total} comparisons {so}"
    return f"{count} of {total} comparisons {not_so}"


WHY = {FEW: f"fewer than {LEAST} pairs", SAME: "pairs that all differ by the same amount"}


def _verdict(row: Mapping[str, Any], p: float | None) -> str:
    if row["n"] < LEAST:
        return FEW
    if p is None:
        return SAME
    return SIGNIFICANT if p < LEVEL else NOT_SIGNIFICANT
