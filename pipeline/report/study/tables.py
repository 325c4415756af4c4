"""The study's tables, as headings and values, for the page and for Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import Cell, Column, numbers, words
from hintlite.pipeline.report.names import precision_title
from hintlite.pipeline.report.study.words import SIGNIFICANT, chance, duration, span
from hintlite.pipeline.runs.layout import FLOAT, INT8

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A table before it is written.

    Args:
        caption: what it holds.
        columns: the headings.
        rows: as many values each as there are columns.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: list[list[Any]]


def arms(facts: Facts) -> Table:
    """The teacher and every arm: accuracy in float and INT8, size, time."""
    columns = [*words("arm"), *numbers(formats.text, "seeds")]
    for precision in (FLOAT, INT8):
        columns += numbers(formats.percent, precision_title(precision))
        columns += numbers(formats.points, "sd, points", "95 % interval")
    columns += numbers(formats.count, "parameters", "INT8 file, bytes")
    columns += numbers(duration, "training", "whole run")
    rows = [_teacher(teacher) for teacher in facts["teachers"]]
    rows += [_arm(arm) for arm in facts["arms"] if arm["n"]]
    return Table("Arms", tuple(columns), rows)


DIFFERENCE = (
    *numbers(formats.text, "pairs"),
    *numbers(formats.signed_points, "points", "95 % interval"),
)
JUDGED = (*numbers(chance, "p adjusted"), *words("verdict"))


def differences(facts: Facts, precision: str) -> Table:
    """Every comparison in one precision."""
    columns = (*words("arm", "against"), *DIFFERENCE, *numbers(chance, "p"), *JUDGED)
    rows = [
        [row["arm"], row["reference"], *_difference(row), row["p"], *_judged(row)]
        for row in facts["comparisons"][precision]
    ]
    return Table(f"Differences, {precision_title(precision)}", columns, rows)


def drops(facts: Facts) -> Table:
    """What INT8 costs each arm, and whether more than it costs the first reference."""
    against = {row["arm"]: row for row in facts["drops"]["comparisons"]}
    reference = next((row["reference"] for row in against.values()), None)
    columns = (*words("arm"), *DIFFERENCE, *JUDGED)
    if reference is not None:
        columns += numbers(formats.signed_points, f"beyond {reference}", "95 % interval") + JUDGED
    rows = []
    for row in facts["drops"]["arms"]:
        rows.append([row["arm"], *_difference(row), *_judged(row)])
        if reference is not None:
            rows[-1] += _beyond(against.get(row["arm"]))
    return Table("From float to INT8", columns, rows)


def runs(facts: Facts) -> Table:
    """Every finished run."""
    columns = (
        *words("run", "arm"),
        *numbers(formats.text, "seed", "teacher seed"),
        *words("teacher"),
        *numbers(formats.percent, "float32", "INT8", "validation, INT8"),
        *numbers(duration, "training"),
        *words("machine", "commit"),
    )
    rows = [
        [
            *(run[name] for name in ("id", "arm", "seed", "teacher_seed", "teacher", FLOAT, INT8)),
            *(run["validation"][INT8], run["training_s"], run["machine"]),
            run["commit"] and run["commit"][:10],
        ]
        for run in facts["runs"]
    ]
    return Table("Runs", columns, rows)


def _teacher(teacher: Facts) -> list[Any]:
    row: list[Any] = [f"teacher, seed {teacher['seed']} ({teacher['weights']})", 1]
    for precision in (FLOAT, INT8):
        row += [(teacher[precision] or {}).get("accuracy"), None, None]
    return [*row, *_cost(teacher), None, teacher["wall_s"]]


def _arm(arm: Facts) -> list[Any]:
    row: list[Any] = [arm["name"], _seeds(arm)]
    for precision in (FLOAT, INT8):
        value = arm[precision]
        row += [None] * 3 if value is None else [value["mean"], value["sd"], span(value)]
    return [*row, *_cost(arm), arm["training_s"], arm["wall_s"]]


def _seeds(arm: Facts) -> Cell:
    done = str(arm["n"])
    return Cell(done if arm["n"] == arm["planned"] else f"{done} of {arm['planned']}", arm["n"])


def _cost(facts: Facts) -> list[Any]:
    return [facts["parameters"], facts["bytes"][INT8]]


def _difference(row: Facts) -> list[Any]:
    return [row["n"], row["mean"], span(row, formats.signed_points)]


def _judged(row: Facts) -> list[Any]:
    return [row["p_adjusted"], _verdict(row)]


def _beyond(row: Facts | None) -> list[Any]:
    return [None] * 4 if row is None else [*_difference(row)[1:], *_judged(row)]


def _verdict(row: Facts) -> str:
    if row["verdict"] != SIGNIFICANT:
        return str(row["verdict"])
    return f"significantly {'higher' if row['mean'] > 0 else 'lower'}"
