"""Colours and markers of the pictures, for light and dark, told apart without colour too.

Matplotlib gets placeholder colours, which figure.py replaces by the page's CSS variables, so that
one picture serves both. The series follow Okabe & Ito's palette (2008), darkened on light paper
and lightened on dark so that each has a contrast of at least 3 to 1; the first, for the teacher, is
grey. Each series has a marker of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

INK, MUTED, RULE, PAPER = "#010101", "#020202", "#030303", "#040404"
RIGHT, WRONG = "#050505", "#060606"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
SERIES = len(MARKERS)

# placeholder -> CSS variable, (light, dark)
COLOURS: dict[str, tuple[str, tuple[str, str]]] = {
    INK: ("--ink", ("#1c2024", "#e6e8ea")),
    MUTED: ("--muted", ("#5a636b", "#a3abb3")),
    RULE: ("--rule", ("#d9dde1", "#373d44")),
    PAPER: ("--paper", ("#ffffff", "#15181b")),
    RIGHT: ("--right", ("#0067a5", "#6cb8ea")),
    WRONG: ("--wrong", ("#c04a00", "#f2955c")),
}
_SERIES_COLOURS = (
    ("#5b6169", "#b4bbc2"),
    ("#0067a5", "#6cb8ea"),
    ("#c04a00", "#f2955c"),
    ("#00785a", "#3ecfa5"),
    ("#a2437f", "#e39ac7"),
    ("#8a6400", "#e6bd4a"),
    ("#007a87", "#58cbd8"),
    ("#5b4bb5", "#ab9ff2"),
)


@dataclass(frozen=True)
class Look:
    """How a series is drawn: a placeholder colour and a marker."""

    colour: str
    marker: str


def look(index: int) -> Look:
    """The look of a series; from the ninth on colours repeat with other markers."""
    shift = index // SERIES
    return Look(_placeholder(index % SERIES), MARKERS[(index + shift) % SERIES])


def _placeholder(index: int) -> str:
    return f"#0707{index:02x}"


COLOURS |= {_placeholder(i): (f"--s{i}", pair) for i, pair in enumerate(_SERIES_COLOURS)}


def css_variables(dark: bool) -> str:
    """The variables' declarations for one colour scheme."""
    return "".join(f"{name}:{pair[dark]};" for name, pair in COLOURS.values())
