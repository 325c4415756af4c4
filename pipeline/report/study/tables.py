"""The study's tables, as headings and cells, for the page and for Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import Cell, Column, cell
from hintlite.pipeline.report.study.words import (
    chance,
    deviation,
    duration,
    mean,
    signed_span,
    span,
)

FLOAT, INT8 = "float32", "int8"
TITLES = {FLOAT: "float32", INT8: "INT8"}
Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A table before it is written.

    Args:
        caption: what it holds.
        columns: the headings.
        rows: as many cells each as there are columns.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: list[list[Cell]]


def arms(facts: Facts) -> Table:
    """The teacher and every arm: accuracy in float and INT8, size, time."""
    columns = _columns(
        "arm",
        *("seeds", "float32", "sd, points", "95 % interval"),
        *("INT8", "sd, points", "95 % interval"),
        *("parameters", "INT8 file, bytes", "training", "whole run"),
    )
    rows = [_teacher(teacher) for teacher in facts["teachers"]]
    rows += [_arm(arm) for arm in facts["arms"] if arm["n"]]
    return Table("Arms", columns, rows)


def differences(facts: Facts, precision: str) -> Table:
    """Every comparison in one precision."""
    columns = _columns(
        "arm", "against", "pairs", "points", "95 % interval", "p", "p adjusted", "verdict"
    )
    rows = [
        [
            cell(row["arm"]),
            cell(row["reference"]),
            *_difference(row),
            cell(chance(row["p"]), row["p"]),
            cell(chance(row["p_adjusted"]), row["p_adjusted"]),
            cell(_verdict(row)),
        ]
        for row in facts["comparisons"][precision]
    ]
    return Table(f"Differences, {TITLES[precision]}", columns, rows)


def drops(facts: Facts) -> Table:
    """What INT8 costs each arm, and whether more than it costs the first reference."""
    against = {row["arm"]: row for row in facts["drops"]["comparisons"]}
    reference = next((row["reference"] for row in against.values()), None)
    columns = _columns("arm", "pairs", "points", "95 % interval", "p adjusted", "verdict")
    if reference is not None:
        columns += _columns(f"beyond {reference}", "95 % interval", "p adjusted", "verdict")
    rows = []
    for row in facts["drops"]["arms"]:
        rows.append([cell(row["arm"]), *_difference(row), *_judged(row)])
        if reference is not None:
            rows[-1] += _beyond(against.get(row["arm"]))
    return Table("From float to INT8", columns, rows)


def runs(facts: Facts) -> Table:
    """Every finished run."""
    columns = _columns(
        *("run", "arm", "seed", "teacher seed", "teacher", "float32", "INT8", "validation, INT8"),
        *("training", "machine", "commit"),
    )
    rows = [
        [
            cell(run["id"]),
            cell(run["arm"]),
            cell(str(run["seed"]), run["seed"]),
            cell(str(run["teacher_seed"]), run["teacher_seed"]),
            cell(run["teacher"]),
            *(cell(formats.percent(run[p]), run[p]) for p in (FLOAT, INT8)),
            cell(formats.percent(run["validation"][INT8]), run["validation"][INT8]),
            cell(duration(run["training_s"]), run["training_s"]),
            cell(run["machine"]),
            cell(formats.text(run["commit"] and run["commit"][:10])),
        ]
        for run in facts["runs"]
    ]
    return Table("Runs", columns, rows)


WORDS = ("arm", "against", "verdict", "run", "teacher", "machine", "commit")  # not set as figures


def _columns(*titles: str) -> tuple[Column, ...]:
    return tuple(Column(title, number=title not in WORDS) for title in titles)


def _teacher(teacher: Facts) -> list[Cell]:
    cells = [cell(f"teacher, seed {teacher['seed']} ({teacher['weights']})"), cell("1", 1)]
    for precision in (FLOAT, INT8):
        figure = teacher[precision]
        cells += [cell(formats.percent(figure["accuracy"]), figure["accuracy"])]
        cells += [cell(formats.DASH), cell(formats.DASH)]
    whole = teacher["wall_s"]
    return [*cells, *_cost(teacher), cell(formats.DASH), cell(duration(whole), whole)]


def _arm(arm: Facts) -> list[Cell]:
    cells = [cell(arm["name"]), cell(_seeds(arm), arm["n"])]
    for precision in (FLOAT, INT8):
        value = arm[precision]
        if value is None:
            cells += [cell(formats.DASH)] * 3
            continue
        cells += [cell(mean(value), value["mean"]), cell(deviation(value), value["sd"])]
        cells += [cell(span(value), value["low"])]
    times = [cell(duration(arm[field]), arm[field]) for field in ("training_s", "wall_s")]
    return [*cells, *_cost(arm), *times]


def _seeds(arm: Facts) -> str:
    return str(arm["n"]) if arm["n"] == arm["planned"] else f"{arm['n']} of {arm['planned']}"


def _cost(facts: Facts) -> list[Cell]:
    parameters, size = facts["parameters"], facts["bytes"][INT8]
    return [cell(formats.count(parameters), parameters), cell(formats.count(size), size)]


def _difference(row: Facts) -> list[Cell]:
    return [
        cell(str(row["n"]), row["n"]),
        cell(formats.signed_points(row["mean"]), row["mean"]),
        cell(signed_span(row), row["low"]),
    ]


def _judged(row: Facts) -> list[Cell]:
    return [cell(chance(row["p_adjusted"]), row["p_adjusted"]), cell(_verdict(row))]


def _beyond(row: Facts | None) -> list[Cell]:
    if row is None:
        return [cell(formats.DASH)] * 4
    return [*_difference(row)[1:], *_judged(row)]


def _verdict(row: Facts) -> str:
    if row["verdict"] != "real":
        return str(row["verdict"])
    return "higher" if row["mean"] > 0 else "lower"
