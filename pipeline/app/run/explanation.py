"""An explanation on the terminal: a table, the worst operator first, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

DASH = "-"
WIDTH = 150  # where the output is no terminal
COLUMNS = (
    *("SQNR", "clipped", "range used", "channels", "weights", "points regained", "won", "lost"),
    "of the error",
)
LEGEND = """SQNR: signal to quantization noise of the output, in dB, against {against};
clipped: share of values beyond the integers' range; range used: share of the integers that occur;
channels: the widest channel of the output over the median of the others; weights: the widest
channel of the kernel over the narrowest; regained (simulated): accuracy, samples won and lost, and
share of the logits' squared error, when this alone is kept in float, its output neither rounded nor
clipped"""


def show(console: Console, title: str, content: Mapping[str, Any], legend: bool) -> None:
    """Prints one explanation.

    Args:
        console: where to.
        title: what was explained.
        content: what explain.json holds.
        legend: whether to say what the columns are.
    """
    if not console.is_terminal:
        console.width = WIDTH
    table = Table(box=None, pad_edge=False, title=escape(title), title_justify="left")
    table.add_column("#", justify="right")
    table.add_column("operator", no_wrap=True)
    table.add_column("layer", overflow="fold")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for entry in worst_first(content["operators"]):
        table.add_row(*(escape(cell) for cell in cells(entry)))
    console.print()
    console.print(table)
    console.print()
    lines = summary(content)
    if legend:
        lines.append(LEGEND.format(against=against(content)))
    for line in lines:
        console.print(line, markup=False)


def worst_first(operators: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sorted by accuracy regained, then by share of the error; those that add none come last."""

    def cost(entry: Mapping[str, Any]) -> tuple[bool, float, float]:
        gain = entry["regained"]
        if gain is None:
            return True, 0.0, 0.0
        return False, -gain["points"], -(gain["error_share"] or 0.0)

    return sorted(operators, key=cost)


def cells(entry: Mapping[str, Any]) -> list[str]:
    """One row of the table."""
    output, weights, gain = entry["output"], entry["weights"], entry["regained"] or {}
    return [
        "" if entry["index"] < 0 else str(entry["index"]),
        entry["operator"],
        entry["layer"],
        _form(output["sqnr_db"], ".1f"),
        _form(output["clipped"], ".2%"),
        _form(output["range_use"], ".0%"),
        _form(output["channel_ratio"], ",.1f"),
        _form(weights and weights["ratio"], ",.1f"),
        _form(gain.get("points"), "+.2f"),
        _form(gain.get("won"), "d"),
        _form(gain.get("lost"), "d"),
        _form(gain.get("error_share"), ".1%"),
    ]


def _form(value: Any, form: str) -> str:
    return DASH if value is None else format(value, form)


def _steps(count: float) -> str:
    return f"{count:.0f} step" + ("" if count == 1 else "s")


def against(content: Mapping[str, Any]) -> str:
    """What the outputs are compared with."""
    if content["against"] == "float file":
        return "the float file"
    return "the file's own weights with nothing else rounded"


def _other_kernels(content: Mapping[str, Any]) -> str:
    """What other kernels choose, where these differ: one file has one accuracy, that of XNNPACK."""
    other: float = content["builtin_accuracy"]
    if other == content["int8_accuracy"]:
        return ""
    return (
        f" (with XNNPACK, as in every table; {other:.2%} with LiteRT's built-in kernels, whose "
        "tensors are compared here)"
    )


def summary(content: Mapping[str, Any]) -> list[str]:
    """The finding, how far the simulation can be trusted, and what did not match."""
    agreed = content["agreement"]
    right = "accuracy" if content["labelled"] else "share of the float file's choices"
    steps = agreed["largest_steps"]
    return [
        content["finding"]["sentence"],
        f"{content['samples']:,} samples, {right}: float {content['float_accuracy']:.2%}, INT8 "
        f"{content['int8_accuracy']:.2%}{_other_kernels(content)}, INT8 simulated "
        f"{content['simulated_accuracy']:.2%}; the "
        f"simulation chooses as the file does on {agreed['same_choice']:.2%}, "
        f"{agreed['equal_outputs']:.2%} of its outputs are equal"
        + (f", none is off by more than {_steps(steps)}" if steps is not None else "")
        + f"; it misses {agreed['missed_error'] or 0:.2%} of the logits' squared error",
        *content["remarks"],
    ]
