"""An inference's memory over time: which tensor lies where in the arena, from when to when."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hintlite.deploy.tflite.buffers import Buffer
from hintlite.deploy.tflite.lifetimes import Lifetimes
from hintlite.deploy.tflite.planner import ArenaPlan

ROWS = 12
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
MOST_COLUMNS = 60  # of the terminal's picture
NAME_LENGTH = 48


def letters(lifetimes: Lifetimes) -> list[str]:
    """A letter a buffer, in the order in which they begin; many buffers share letters in turn."""
    order = sorted(range(len(lifetimes.buffers)), key=lambda i: (lifetimes.buffers[i].first, i))
    found = [""] * len(order)
    for place, i in enumerate(order):
        found[i] = LETTERS[place % len(LETTERS)]
    return found


def text_picture(lifetimes: Lifetimes, plan: ArenaPlan) -> list[str]:
    """The arena as lines: a column a step, the highest addresses first, a letter a tensor.

    Args:
        lifetimes: of the buffers.
        plan: where they lie.
    """
    if not plan.arena_bytes:
        return []
    steps = range(min(len(lifetimes.steps), MOST_COLUMNS))
    marks = letters(lifetimes)
    lines = []
    for row in reversed(range(ROWS)):
        low, high = (plan.arena_bytes * edge // ROWS for edge in (row, row + 1))
        cells = "".join(f" {_cell(lifetimes, plan, marks, step, low, high)}" for step in steps)
        lines.append(f"{low:>9,} |{cells}")
    lines.append(f"{'':9} +{'--' * len(steps)}")
    peak = lifetimes.peak_step
    lines.append(f"{'':9}  {'  ' * peak} ^ " if peak in steps else "")
    if len(lifetimes.steps) > len(steps):
        lines.append(f"{'':11}the first {len(steps)} of {len(lifetimes.steps)} steps")
    return [line.rstrip() for line in lines if line.strip()]


def _cell(
    lifetimes: Lifetimes, plan: ArenaPlan, marks: Sequence[str], step: int, low: int, high: int
) -> str:
    """The letter of the buffer that takes most of these addresses in this step; '.' for none."""
    best, taken = ".", 0
    for buffer, offset, mark in zip(lifetimes.buffers, plan.offsets, marks, strict=True):
        if buffer.first <= step <= buffer.last:
            shared = min(high, offset + buffer.size_bytes) - max(low, offset)
            if shared > taken:
                best, taken = mark, shared
    return best


def short_name(buffer: Buffer) -> str:
    """A tensor's name without the names that were fused into it."""
    name = buffer.name.split(";")[0]
    return name if len(name) <= NAME_LENGTH else f"...{name[3 - NAME_LENGTH :]}"


def write_svg(path: Path, title: str, lifetimes: Lifetimes, plan: ArenaPlan) -> None:
    """The same as a picture: rectangles of tensors, the live bytes above, the peak marked.

    Args:
        path: written whole or not at all.
        title: of the picture.
        lifetimes: of the buffers.
        plan: where they lie.
    """
    import matplotlib
    from matplotlib.figure import Figure

    steps = len(lifetimes.steps)
    with matplotlib.rc_context({"svg.hashsalt": "hintlite", "svg.fonttype": "none"}):
        figure = Figure(figsize=(max(6.0, 0.45 * steps + 2), 5.0), layout="constrained")
        axes = figure.add_subplot()
        _rectangles(axes, lifetimes, plan)
        _live_line(axes, lifetimes)
        axes.set_xlim(-0.5, steps - 0.5)
        axes.set_ylim(0, 1.12 * plan.arena_bytes or 1)
        axes.set_xticks(range(steps), lifetimes.steps, rotation=60, ha="right", fontsize=7)
        axes.set_ylabel("arena, bytes")
        axes.set_title(title, fontsize=9)
        axes.legend(loc="upper right", fontsize=7)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    from hintlite.files import write_whole

    write_whole(path, text.getvalue())


def _rectangles(axes: Any, lifetimes: Lifetimes, plan: ArenaPlan) -> None:
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    colours = colormaps["tab20"]
    at_peak = set(lifetimes.live(lifetimes.peak_step))
    placed = zip(lifetimes.buffers, plan.offsets, letters(lifetimes), strict=True)
    for i, (buffer, offset, mark) in enumerate(placed):
        width = buffer.last - buffer.first + 1
        axes.add_patch(
            Rectangle(
                (buffer.first - 0.5, offset),
                width,
                buffer.size_bytes,
                facecolor=colours(i % 20),
                alpha=0.75,
                edgecolor="black",
                linewidth=1.6 if buffer in at_peak else 0.4,
            )
        )
        middle = (buffer.first - 0.5 + width / 2, offset + buffer.size_bytes / 2)
        axes.text(*middle, mark, ha="center", va="center", fontsize=7)


def _live_line(axes: Any, lifetimes: Lifetimes) -> None:
    live = lifetimes.bytes_by_step
    axes.step(range(len(live)), live, where="mid", color="black", linewidth=1.2, label="live bytes")
    peak = lifetimes.peak_step
    axes.axvline(peak, color="black", linestyle=":", linewidth=0.8)
    axes.axhline(
        lifetimes.lower_bound_bytes,
        color="black",
        linestyle="--",
        linewidth=0.8,
        label=f"most live, {lifetimes.lower_bound_bytes:,} bytes",
    )
