"""The tables of a tuning's page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from markupsafe import Markup

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import Cell, Column, numbers, table, words
from hintlite.pipeline.report.study.words import duration
from hintlite.pipeline.report.tuning.score import TITLES, shown

BEST = 10
Facts = Mapping[str, Any]


def settings(facts: Facts) -> Markup:
    """What was searched, and where the base and the best trial lie in it."""
    columns = [*words("setting", "searched"), *words("base", "best")]
    best, shares = facts["best"], facts["importance"]
    rows = []
    for name, space in facts["search"].items():
        row = [name, _space(space), value(facts["base"][name])]
        row.append(value(best["values"][name] if best else None))
        rows.append(row if shares is None else [*row, shares[name]])
    if shares is not None:
        columns += numbers(lambda share: formats.percent(share, 0), "importance")
    return table("Searched settings", columns, rows, sortable=False)


def best(facts: Facts) -> Markup:
    """The best complete trials, each point of the search once."""
    complete = [t for t in facts["trials"] if t["state"] == "complete" and t["same_as"] is None]
    found = sorted(complete, key=lambda trial: -trial["value"])[:BEST]
    return table("Best trials", _columns(facts), [_row(trial, facts) for trial in found])


def every(facts: Facts) -> Markup:
    """All trials, with what is said of those that failed."""
    columns = [*_columns(facts), *words("state", "remark")]
    rows = [
        [*_row(trial, facts), trial["state"], _remark(trial, facts)] for trial in facts["trials"]
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
    spread = numbers(formats.text, "by seed") if len(facts["seeds"]) > 1 else ()
    return [
        *numbers(formats.text, "trial"),
        *numbers(partial(_score, facts), f"{facts['objective']} {TITLES[facts['chosen_by']]}"),
        *(*spread, *numbers(value, *facts["search"])),
        *numbers(formats.text, "epochs"),
        *numbers(formats.count, "parameters"),
        *numbers(duration, "time"),
    ]


def _row(trial: Facts, facts: Facts) -> list[Any]:
    several = len(facts["seeds"]) > 1
    return [
        *(
            trial["number"],
            trial["value"],
            *((_by_seed(trial["by_seed"], facts),) if several else ()),
        ),
        *(_value(trial["values"].get(name)) for name in facts["search"]),
        *(trial[name] for name in ("epochs", "parameters", "seconds")),
    ]


def _value(given: Any) -> Cell:
    """The value of a setting, sorted by its size where it is a number."""
    text = value(given)
    counted = isinstance(given, int | float) and not isinstance(given, bool)
    return Cell(text, given if counted else None if given is None else text)


def _by_seed(values: Sequence[float] | None, facts: Facts) -> Cell:
    text = formats.DASH if values is None else ", ".join(_score(facts, each) for each in values)
    return Cell(text, text)


def _score(facts: Facts, value: float | None) -> str:
    return formats.DASH if value is None else shown(value, facts["chosen_by"])


def _remark(trial: Facts, facts: Facts) -> str:
    if trial["same_as"] is not None:
        return f"the values of trial {trial['same_as']}, not trained again"
    if trial["state"] == "pruned":
        return f"given up at {_score(facts, trial['last'])}"
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
