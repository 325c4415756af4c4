"""The layers of an emulated network by instructions, as a picture and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.figure import Picture, drawing, to_picture
from hintlite.pipeline.report.markup import Cell, Column, cell, table
from hintlite.pipeline.report.palette import RULE
from hintlite.pipeline.report.sections.quantization import name_lines

MOST_BARS = 24
COLUMNS = (
    Column("layer"),
    Column("operator", number=False),
    Column("instructions"),
    Column("share"),
)

Layer = dict[str, Any]


def layer_table(title: str, entry: dict[str, Any]) -> Markup:
    """All layers in order, those that the picture leaves out too.

    Args:
        title: the core, and the run if there are several.
        entry: of facts/microcontrollers.py.
    """
    total = entry["instructions_per_inference"]
    rows = [_row(layer, total) for layer in entry["layers"]]
    return table(f"Layers on {title}, simulated", COLUMNS, rows)


def layer_picture(
    anchor: str, title: str, entry: dict[str, Any], colour: str, most: int
) -> Picture | None:
    """A bar a layer, in order; of a deep network the costliest alone.

    Args:
        anchor: prefix of the ids.
        title: the core, and the run if there are several.
        entry: of facts/microcontrollers.py.
        colour: of the bars.
        most: where the axis ends, instructions; the same for all runs of a core.
    """
    layers = _costliest(entry["layers"])
    if not layers:
        return None
    with drawing(height=60 + 22 * len(layers)) as (figure, axes):
        values = [layer["instructions"] / 1000 for layer in layers]
        axes.barh(range(len(layers)), values, height=0.62, color=colour)
        name_lines(axes, [f"{layer['index']} {layer['operator']}" for layer in layers])
        axes.set_xlim(0, 1.04 * most / 1000 or 1)
        axes.grid(visible=True, axis="x", color=RULE)
        axes.set_xlabel("thousand instructions, simulated")
        caption = f"{_which(entry['layers'])} by instructions on {title}, simulated"
        return to_picture(figure, anchor, caption, _words(layers))


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


def _words(layers: Sequence[Layer]) -> str:
    return "; ".join(
        f"{each['index']} {each['operator']} {formats.count(each['instructions'])}"
        for each in layers
    )


def _row(layer: Layer, total: int) -> list[Cell]:
    share = layer["instructions"] / total if total else None
    return [
        cell(str(layer["index"]), layer["index"]),
        cell(str(layer["operator"])),
        cell(formats.count(layer["instructions"]), layer["instructions"]),
        cell(formats.percent(share, 1), share),
    ]
