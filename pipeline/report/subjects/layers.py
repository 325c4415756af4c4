"""The layers of an emulated network by instructions, as a picture and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.figure import Picture, bars
from hintlite.pipeline.report.markup import numbers, table, words

MOST_BARS = 24
COLUMNS = (
    *numbers(formats.text, "layer"),
    *words("operator"),
    *numbers(formats.count, "instructions"),
    *numbers(formats.tenths, "share"),
)

Layer = dict[str, Any]


def layer_table(title: str, entry: dict[str, Any]) -> Markup:
    """All layers in order, those that the picture leaves out too.

    Args:
        title: the core, and the run if there are several.
        entry: of microcontrollers.py.
    """
    total = entry["instructions_per_inference"]
    rows = [
        [*(each[k] for k in ("index", "operator", "instructions")), _share(each, total)]
        for each in entry["layers"]
    ]
    return table(f"Layers on {title}, simulated", COLUMNS, rows)


def layer_picture(
    anchor: str, title: str, entry: dict[str, Any], colour: str, most: int
) -> Picture | None:
    """A bar a layer, in order; of a deep network the costliest alone.

    Args:
        anchor: prefix of the ids.
        title: the core, and the run if there are several.
        entry: of microcontrollers.py.
        colour: of the bars.
        most: where the axis ends, instructions; the same for all runs of a core.
    """
    shown = _costliest(entry["layers"])
    if not shown:
        return None
    counts = {f"{each['index']} {each['operator']}": each["instructions"] for each in shown}
    return bars(
        anchor,
        f"{_which(entry['layers'])} by instructions on {title}, simulated",
        {name: count / 1000 for name, count in counts.items()},
        colour,
        "thousand instructions, simulated",
        "; ".join(f"{name} {formats.count(count)}" for name, count in counts.items()),
        1.04 * most / 1000 or 1,
    )


def most_instructions(entries: Sequence[dict[str, Any]]) -> int:
    """Those of the costliest layer of all entries."""
    return max((layer["instructions"] for e in entries for layer in e["layers"]), default=0)


def _costliest(layers: Sequence[Layer]) -> list[Layer]:
    ranked = sorted(layers, key=lambda layer: -layer["instructions"])[:MOST_BARS]
    return sorted(ranked, key=lambda layer: int(layer["index"]))


def _which(layers: Sequence[Layer]) -> str:
    if len(layers) <= MOST_BARS:
        return "Layers"
    return f"The {MOST_BARS} costliest of {len(layers)} layers"


def _share(layer: Layer, total: int) -> float | None:
    return layer["instructions"] / total if total else None
