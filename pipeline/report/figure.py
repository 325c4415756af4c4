"""Pictures by matplotlib as inline SVG: text as text, colours from the page, same bytes each time.

A picture is drawn about 370 pixels wide, so that its letters are legible on a narrow screen without
being scaled down; on a wide one several stand side by side.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from hintlite.pipeline.report.palette import COLOURS, INK, MUTED, PAPER, RULE, Look

DPI = 72  # the unit of matplotlib's SVG: one pixel a point
WIDTH = 370
FONTS = "DejaVu Sans, Verdana, Segoe UI, sans-serif"  # of a picture that is a file of its own
ROUND = 8  # its corners, pixels
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
        description: what a reader who does not see it should know.
    """

    svg: Markup
    caption: str
    description: str


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
    buffer = io.StringIO()
    # savefig would draw everything twice, which takes twice as long.
    FigureCanvasSVG(figure).print_svg(buffer, metadata=NO_METADATA)  # type: ignore[no-untyped-call]
    return Picture(Markup(_inline(buffer.getvalue(), anchor, label)), caption, description)


def _inline(text: str, anchor: str, label: str) -> str:
    """The svg element for a page: unique ids, the page's colours and font, a name."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r"\bid=\"([^\"]*)\"", rf'id="{anchor}-\1"', text)
    text = re.sub(r"url\(#([^)]*)\)", rf"url(#{anchor}-\1)", text)
    text = re.sub(r"xlink:href=\"#([^\"]*)\"", rf'href="#{anchor}-\1"', text)
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", text)
    text = re.sub(r"font: (\w+) ([\d.]+px) [^;\"]*", r"font-weight: \1; font-size: \2", text)
    for placeholder, (variable, _) in COLOURS.items():
        text = text.replace(placeholder, f"var({variable})")
    view_box = re.search(r"viewBox=\"[^\"]*\"", text)
    assert view_box is not None, "matplotlib's SVG has a viewBox"
    head = f'<svg role="img" aria-label="{escape(label)}" {view_box.group()}>'
    return (head + text[text.index(">") + 1 :]).strip()


def standalone(picture: Picture) -> str:
    """A picture as a file: light colours on white paper, its size, a name, fallback fonts."""
    text = str(picture.svg)
    for variable, (light, _) in COLOURS.values():
        text = text.replace(f"var({variable})", light)
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    assert box is not None, "matplotlib's SVG has a viewBox"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{float(box[1]):.0f}" '
        f'height="{float(box[2]):.0f}" {box[0]} font-family="{FONTS}" role="img" '
        'aria-labelledby="title description">\n'
        f'<title id="title">{escape(picture.caption)}</title>\n'
        f'<desc id="description">{escape(picture.description)}</desc>\n'
        f'<rect width="100%" height="100%" rx="{ROUND}" fill="{COLOURS[PAPER][1][0]}"/>'
        + text[text.index(">") + 1 :]
        + "\n"
    )


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


def name_lines(axes: Axes, names: Sequence[str]) -> None:
    """Names for the lines of a chart, the first on top."""
    axes.set_yticks(range(len(names)), list(names))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_color(MUTED)


def bars(
    anchor: str,
    caption: str,
    lengths: Mapping[str, float | None],
    colour: str,
    axis: str,
    description: str,
    most: float | None = None,
) -> Picture:
    """A named bar each, the first on top.

    Args:
        anchor: prefix of the ids.
        caption: what is shown.
        lengths: name -> length; None is drawn as 0.
        colour: of the bars.
        axis: what is measured, with its unit.
        description: the values for those who do not see them.
        most: where the axis ends; by itself where None.
    """
    with drawing(height=60 + 22 * len(lengths)) as (figure, axes):
        values = [length or 0.0 for length in lengths.values()]
        axes.barh(range(len(values)), values, height=0.62, color=colour)
        name_lines(axes, list(lengths))
        axes.axvline(0, color=MUTED, linewidth=0.8)
        if most is not None:
            axes.set_xlim(0, most)
        elif not any(values):
            axes.set_xlim(-1, 1)
        axes.set_xlabel(axis)
        return to_picture(figure, anchor, caption, description)
