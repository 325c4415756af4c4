"""From plain values to HTML, with everything escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from hintlite.pipeline.report.figure import Picture
from hintlite.pipeline.report.formats import DASH

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Cell:
    """A table cell.

    Args:
        text: what is shown.
        key: what it is sorted by; None is unknown and comes last.
    """

    text: str
    key: float | str | None = None


@dataclass(frozen=True)
class Column:
    """A table column.

    Args:
        title: its heading.
        number: whether it is set as figures, to the right.
    """

    title: str
    number: bool = True


@cache
def environment() -> jinja2.Environment:
    """Templates that escape whatever they are given."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def part(name: str, **values: Any) -> Markup:
    """One macro of parts.html.j2, called by name."""
    macro = getattr(environment().get_template("parts.html.j2").module, name)
    return Markup(macro(**values))


def cell(text: str, key: float | str | None = None) -> Cell:
    """A cell; a dash has no key."""
    return Cell(text, None if text == DASH else key if key is not None else text)


def table(
    caption: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    sortable: bool = True,
) -> Markup:
    """A table in a container of its own that scrolls where it is too wide.

    Args:
        caption: what it holds; also the container's name.
        columns: the headings; the first column's cells are headings of their rows.
        rows: as many cells each as there are columns.
        sortable: whether its headings get buttons.
    """
    return part("table", caption=caption, columns=columns, rows=rows, sortable=sortable)


def figures(pictures: Sequence[Picture | None], layout: str = "") -> Markup:
    """Pictures side by side as far as there is room; "small" ones, or in "pairs"."""
    return part("figures", pictures=[picture for picture in pictures if picture], layout=layout)


def beside(*parts: Markup | str) -> Markup:
    """Tables or other blocks side by side as far as there is room."""
    return part("beside", parts=[each for each in parts if each])


def legend(entries: Sequence[tuple[Markup, str]]) -> Markup:
    """Symbols (SVG) and what they stand for."""
    return part("legend", entries=entries)


def details(summary: str, content: Markup) -> Markup:
    """Content that is folded away on the screen and open in print."""
    return part("details", summary=summary, content=content)


def heading(text: str) -> Markup:
    """A heading within a section."""
    return Markup("<h3>{}</h3>").format(text)


def paragraph(text: str) -> Markup:
    """A paragraph."""
    return Markup("<p>{}</p>").format(text)


def join(*parts: Markup | str) -> Markup:
    """One after the other."""
    return Markup("\n").join(escape(each) for each in parts if each)
