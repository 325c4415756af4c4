"""From plain values to HTML, with everything escaped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.figure import Picture

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
        form: writes a value of it; such columns are set as figures, to the right. None for words.
    """

    title: str
    form: Callable[[Any], str] | None = None

    @property
    def number(self) -> bool:
        """Whether it is set as figures."""
        return self.form is not None

    def cell(self, value: Any) -> Cell:
        """A value of this column; what is a cell already stays as it is."""
        if isinstance(value, Cell):
            return value
        shown = (self.form or formats.text)(value)
        return Cell(shown, None if shown == formats.DASH else value if self.number else shown)


def words(*titles: str) -> tuple[Column, ...]:
    """Columns of words."""
    return tuple(Column(title) for title in titles)


def numbers(form: Callable[[Any], str], *titles: str) -> tuple[Column, ...]:
    """Columns of figures that are written alike."""
    return tuple(Column(title, form) for title in titles)


def interval(low: float | None, high: float | None) -> Cell:
    """An interval of shares, sorted by its lower end."""
    return Cell(formats.interval(low, high), low)


def of(part: int | None, whole: int | None) -> Cell:
    """So many of all: 349 / 359, sorted by the share."""
    if part is None or not whole:
        return Cell(formats.DASH)
    return Cell(f"{formats.count(part)} / {formats.count(whole)}", part / whole)


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


def table(
    caption: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Any]],
    sortable: bool = True,
) -> Markup:
    """A table in a container of its own that scrolls where it is too wide; without rows, nothing.

    Args:
        caption: what it holds; also the container's name.
        columns: the headings; the first column's cells are headings of their rows.
        rows: as many values each as there are columns.
        sortable: whether its headings get buttons.
    """
    if not rows:
        return Markup("")
    cells = cells_of(columns, rows)
    return part("table", caption=caption, columns=columns, rows=cells, sortable=sortable)


def cells_of(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> list[list[Cell]]:
    """The cells of a table's rows."""
    return [[c.cell(value) for c, value in zip(columns, row, strict=True)] for row in rows]


def entries(lines: Sequence[str]) -> Markup:
    """A list of sentences; nothing where there is none."""
    return part("list", entries=lines) if lines else Markup("")


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
