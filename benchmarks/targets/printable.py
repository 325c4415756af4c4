"""Text of another machine's, without signs that could steer the terminal it is shown on."""

from __future__ import annotations

from typing import Any

MOST_TEXT = 2000  # characters of one text


def printable(text: str) -> str:
    """A text on one line: controls, such as a terminal's escapes, become blanks."""
    return "".join(sign if sign.isprintable() else " " for sign in text[:MOST_TEXT])


def all_printable(value: Any) -> Any:
    """A value as JSON gives it, or with tuples, with every text in it printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [all_printable(each) for each in value]
    if isinstance(value, tuple):
        return tuple(all_printable(each) for each in value)
    if isinstance(value, dict):
        return {printable(name): all_printable(each) for name, each in value.items()}
    return value
