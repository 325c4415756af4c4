"""`hintlite compare`: two results side by side, and the gate for a user's CI."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.errors import SettingsError

if TYPE_CHECKING:
    from hintlite.benchmarks.compare import Comparison

WITHIN, BROKEN, REFUSED = 0, 1, 2
SHARES = ("accuracy", "agreement with the model")
CELL = 48  # letters of a value in the table


def compare_results(
    first: Path, second: Path, slowdown: float | None, drop: float | None, as_json: bool
) -> int:
    """Prints what changed.

    Returns:
        0 within the bounds, 1 past one, 2 where the results cannot be compared or read.
    """
    from hintlite.benchmarks.compare import Bounds, CompareError, compare
    from hintlite.benchmarks.results import ResultError, read_outcome
    from hintlite.pipeline.report.outcome import run_outcome

    try:
        bounds = Bounds(slowdown, drop)
        found = compare(read_outcome(first, run_outcome), read_outcome(second, run_outcome), bounds)
    except (CompareError, ResultError) as error:
        print(f"hintlite: {error}", file=sys.stderr)
        return REFUSED
    if as_json:
        print(json.dumps(found.to_dict(), indent=1))
    else:
        _print(found)
    return BROKEN if found.broken else WITHIN


def percent(text: str | float) -> float:
    """A bound such as 5% or 5: the number before the sign; the parser asks twice.

    Raises:
        SettingsError: it is no number from 0 on.
    """
    value = float(str(text).strip().removesuffix("%"))
    if not (math.isfinite(value) and value >= 0):
        raise SettingsError(f"expected a number from 0 on, such as 5%, got {text!r}")
    return value


def _print(found: Comparison) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in (found.first, found.second):
        table.add_column(escape(name), justify="right", overflow="fold")
    table.add_column("change", justify="right", no_wrap=True)
    for figure in found.figures:
        change = "" if figure.change_percent is None else f"{figure.change_percent:+.1f} %"
        if figure.name in SHARES:
            change = f"{100 * (figure.second - figure.first):+.2f} points"
        cells = (_number(figure.name, value) for value in (figure.first, figure.second))
        table.add_row(_title(figure.name), *cells, change)
    for each in found.changes:
        table.add_row(escape(each.what), escape(_text(each.first)), escape(_text(each.second)), "")
    console.print(table)
    for line in (*found.notes, *(f"bound broken: {fault}" for fault in found.broken)):
        console.print(line, markup=False)


def _title(name: str) -> str:
    for end, unit in (("_us", ", us"), ("_bytes", ", bytes")):
        if name.endswith(end):
            return name.removesuffix(end).replace("_", " ") + unit
    return name.replace("_", " ")


def _number(name: str, value: float) -> str:
    if name in SHARES:
        return f"{100 * value:.2f} %"
    if not isinstance(value, float):
        return f"{value:,}"
    return f"{value:.4g}" if "error" in name else f"{value:,.1f}"


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) == 64 and text.isalnum():
        return text[:12]  # a hash; --json has it whole
    return text if len(text) <= CELL else text[: CELL - 1] + "…"
