"""The tables of a tuning's page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import Cell, Column, cell, table
from hintlite.pipeline.report.study.words import duration

BEST = 10
Facts = Mapping[str, Any]


def settings(facts: Facts) -> Markup:
    """What was searched, and where the base and the best trial lie in it."""
    columns = [Column(title, number=False) for title in ("setting", "searched", "base", "best")]
    if facts["importance"] is not None:
        columns.append(Column("importance"))
    best = facts["best"]
    rows = []
    for name, space in facts["search"].items():
        values = (facts["base"][name], best["values"][name] if best else None)
        row = [cell(name), cell(_space(space)), *(cell(value(each)) for each in values)]
        if facts["importance"] is not None:
            share = facts["importance"][name]
            row.append(cell(formats.percent(share, digits=0), share))
        rows.append(row)
    return table("Searched settings", columns, rows, sortable=False)


def best(facts: Facts) -> Markup:
    """The best complete trials, each point of the search once."""
    complete = [t for t in facts["trials"] if t["state"] == "complete" and t["same_as"] is None]
    found = sorted(complete, key=lambda trial: -trial["value"])[:BEST]
    return table("Best trials", _columns(facts), [_row(trial, facts) for trial in found])


def every(facts: Facts) -> Markup:
    """All trials, with what is said of those that failed."""
    columns = [*_columns(facts), *(Column(title, number=False) for title in ("state", "remark"))]
    rows = [
        [*_row(trial, facts), cell(trial["state"]), cell(_remark(trial))]
        for trial in facts["trials"]
    ]
    return table("Every trial", columns, rows)


def value(given: Any) -> str:
    """The value of a setting: 0.00214, [3, 4, 3], yes."""
    if isinstance(given, float):
        return formats.number(given)
    if isinstance(given, (list, dict)):
        return json.dumps(given)
    return formats.text(given)


def _columns(facts: Facts) -> list[Column]:
    names = [Column(name) for name in facts["search"]]
    accuracy = [Column(f"{facts['objective']} validation accuracy")]
    spread = [Column("by seed")] if len(facts["seeds"]) > 1 else []
    return [Column("trial"), *accuracy, *spread, *names, *map(Column, _COSTS)]


_COSTS = ("epochs", "parameters", "time")


def _row(trial: Facts, facts: Facts) -> list[Cell]:
    cells = [cell(str(trial["number"]), trial["number"]), _percent(trial["value"])]
    if len(facts["seeds"]) > 1:
        cells.append(cell(_by_seed(trial["by_seed"])))
    for name in facts["search"]:
        given = trial["values"].get(name)
        number = isinstance(given, (int, float)) and not isinstance(given, bool)
        cells.append(cell(value(given), given if number else None))
    seconds = trial["seconds"]
    time = formats.DASH if seconds is None else duration(seconds)
    cells.append(cell(str(trial["epochs"]), trial["epochs"]))
    cells.append(cell(formats.count(trial["parameters"]), trial["parameters"]))
    return [*cells, cell(time, seconds)]


def _percent(share: float | None) -> Cell:
    return cell(formats.percent(share), share)


def _by_seed(values: Sequence[float] | None) -> str:
    return formats.DASH if values is None else ", ".join(map(formats.percent, values))


def _remark(trial: Facts) -> str:
    if trial["same_as"] is not None:
        return f"the values of trial {trial['same_as']}, not trained again"
    if trial["state"] == "pruned":
        return f"given up at {formats.percent(trial['last'])}"
    return formats.text(trial["said"])


def _space(space: Facts) -> str:
    if "choices" in space:
        return ", ".join(space["choices"])
    words = [f"{value(space['low'])} to {value(space['high'])}"]
    if space["log"]:
        words.append("logarithmic")
    if space["step"] is not None:
        words.append(f"step {value(space['step'])}")
    return ", ".join(words)
