"""A confusion matrix as a picture: cells with numbers, or a small raster for many classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from hintlite.pipeline.report.figure import Picture, drawing, to_picture
from hintlite.pipeline.report.images import png_uri
from hintlite.pipeline.report.names import result_title
from hintlite.pipeline.report.palette import INK, RIGHT, WRONG

SMALL, LARGE = 300, 370  # pixels: four in a row on a wide screen, or two
NUMBERED = 12  # classes up to which the cells hold their numbers
VECTOR = 30  # classes up to which cells are drawn one by one
LONGEST = 10  # letters of a class name
STRONGEST = 0.55  # opacity; the number on it keeps its contrast
FAINTEST = 0.12  # of the cells that are not 0, so that a single sample is seen
RASTER = ((19, 128, 198), (224, 106, 46))  # right and wrong, to be seen on light and on dark


def draw(anchor: str, entry: dict[str, Any], names: list[str]) -> Picture:
    """The picture of a matrix.

    Args:
        anchor: prefix of its ids.
        entry: model, precision and counts `[true][chosen]`.
        names: of the classes.
    """
    counts = np.asarray(entry["counts"])
    caption = result_title(entry["model"], entry["precision"])
    right, total = int(np.trace(counts)), int(counts.sum())
    description = f"Confusion matrix: {right} of {total} on the diagonal; tables below list errors"
    if len(names) > VECTOR:
        return _raster(counts, caption, description)
    side = SMALL if is_small(names) else LARGE
    with drawing(height=side, width=side) as (figure, axes):
        _cells(axes, counts)
        _labels(axes, names)
        return to_picture(figure, anchor, caption, description)


def is_small(names: list[str]) -> bool:
    """Whether there is room for the numbers in a small picture, because the names are short."""
    return len(names) <= NUMBERED and max(map(len, names)) <= 2


def _depths(counts: np.ndarray) -> np.ndarray:
    """Opacity of each cell, 0 to 1: the share of its row, and of the errors its root."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    depths = np.where(np.eye(len(counts), dtype=bool), shares, np.sqrt(shares))
    return np.where(counts > 0, FAINTEST + (1 - FAINTEST) * depths, 0.0)


def _cells(axes: Any, counts: np.ndarray) -> None:
    from matplotlib.patches import Rectangle

    depths = STRONGEST * _depths(counts)
    for (row, column), count in np.ndenumerate(counts):
        if not count:
            continue
        hit = row == column
        colour = RIGHT if hit else WRONG
        place = (column - 0.47, row - 0.47)
        axes.add_patch(Rectangle(place, 0.94, 0.94, color=colour, alpha=depths[row, column], lw=0))
        if hit:
            axes.plot([column - 0.3, column + 0.3], [row + 0.38] * 2, color=colour, linewidth=1)
        if len(counts) <= NUMBERED:
            size = 9 if counts.max() < 1000 else 7.5
            axes.text(column, row, f"{count}", ha="center", va="center", color=INK, fontsize=size)


def _labels(axes: Any, names: list[str]) -> None:
    count = len(names)
    short = [name if len(name) <= LONGEST else name[: LONGEST - 1] + "…" for name in names]
    upright = max(map(len, short)) <= 2
    axes.set_xlim(-0.5, count - 0.5)
    axes.set_ylim(count - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.grid(visible=False)
    size = 10 if count <= NUMBERED else 7.5
    axes.set_xticks(range(count), short, rotation=0 if upright else 90, fontsize=size)
    axes.set_yticks(range(count), short, fontsize=size)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    for spine in axes.spines.values():
        spine.set_visible(False)


def _raster(counts: np.ndarray, caption: str, description: str) -> Picture:
    """One pixel a cell."""
    pixels = np.empty((*counts.shape, 4), np.uint8)
    pixels[..., :3] = np.where(np.eye(len(counts), dtype=bool)[..., None], *map(np.array, RASTER))
    pixels[..., 3] = (255 * _depths(counts)).round()
    image = Markup('<img class="raster" src="{}" alt="{}" width="{}" height="{}">').format(
        png_uri(pixels), f"{caption}. {description}", LARGE, LARGE
    )
    return Picture(image, caption, description)
