"""Pictures by matplotlib as inline SVG: text as text, colours from the page, same bytes each time.

A picture is drawn about 370 pixels wide, so that its letters are legible on a narrow screen without
being scaled down; on a wide one several stand side by side.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from hintlite.pipeline.report.palette import COLOURS, INK, MUTED, RULE, Look

DPI = 72  # the unit of matplotlib's SVG: one pixel a point
WIDTH = 370
STYLE: dict[Any, Any] = {  # mypy knows the names of rcParams as literals
    "svg.fonttype": "none",
    "svg.hashsalt": "hintlite",
    "svg.id": None,
    "text.parse_math": False,
    "axes.unicode_minus": True,
    "font.family": ["DejaVu Sans"],
    "font.size": 10.5,
    "axes.titlesize": 10.5,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "figure.facecolor": "none",
    "lines.linewidth": 1.6,
    "lines.markersize": 6.5,
}
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


@dataclass(frozen=True)
class Picture:
    """A picture for the page.

    Args:
        svg: the element.
        caption: what is shown, a line above it.
    """

    svg: Markup
    caption: str


@contextmanager
def drawing(height: float = 250, width: float = WIDTH) -> Iterator[tuple[Figure, Axes]]:
    """A figure with one pair of axes, in the page's style while it is drawn.

    Args:
        height: in pixels.
        width: in pixels.
    """
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        for name, value in STYLE.items():
            mpl.rcParams[name] = value
        # A letter that DejaVu lacks is measured as a box and shown in the reader's own font.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout="constrained")
        yield figure, figure.add_subplot()


def to_picture(figure: Figure, anchor: str, caption: str, description: str) -> Picture:
    """The drawn figure; call it inside `drawing`.

    Args:
        figure: what was drawn.
        anchor: prefix of all ids in it, different for each picture of a page.
        caption: what is shown.
        description: what a reader who does not see it should know.
    """
    label = f"{caption}. {description}"
    return Picture(Markup(_inline(svg_text(figure), anchor, label)), caption)


def svg_text(figure: Figure) -> str:
    """What matplotlib writes of a figure; call it inside `drawing`."""
    buffer = io.StringIO()
    # savefig would draw everything twice, which takes twice as long.
    FigureCanvasSVG(figure).print_svg(buffer, metadata=NO_METADATA)  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def _inline(text: str, anchor: str, label: str) -> str:
    """The svg element for a page: unique ids, the page's colours and font, a name."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r"\bid=\"([^\"]*)\"", rf'id="{anchor}-\1"', text)
    text = re.sub(r"url\(#([^)]*)\)", rf"url(#{anchor}-\1)", text)
    text = re.sub(r"xlink:href=\"#([^\"]*)\"", rf'href="#{anchor}-\1"', text)
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", text)
    for placeholder, (variable, _) in COLOURS.items():
        text = text.replace(placeholder, f"var({variable})")
    view_box = re.search(r"viewBox=\"[^\"]*\"", text)
    assert view_box is not None, "matplotlib's SVG has a viewBox"
    head = f'<svg role="img" aria-label="{escape(label)}" {view_box.group()}>'
    return (head + text[text.index(">") + 1 :]).strip()


def mark(axes: Axes, x: float, y: float, look: Look, filled: bool, **options: Any) -> None:
    """One marker: filled for integers, hollow for floating point."""
    face = look.colour if filled else "none"
    axes.plot(
        [x],
        [y],
        linestyle="none",
        marker=look.marker,
        color=look.colour,
        markerfacecolor=face,
        markeredgewidth=1.5,
        zorder=3,
        **options,
    )


def logarithmic(axes: Axes, values: Sequence[float]) -> None:
    """Makes x logarithmic, with room around the values and labels like 20 k, 50 k, 100 k."""
    low, high = min(values), max(values)
    axes.set_xscale("log")
    room = 1.2 * (high / low) ** 0.07
    axes.set_xlim(low / room, high * room)
    subs = (1.0, 2.0, 5.0) if high / low < 100 else (1.0, 3.0) if high / low < 1000 else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(10, subs=subs))
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.xaxis.set_minor_formatter(NullFormatter())
