"""The error of a command line that asks for what cannot be."""

from __future__ import annotations


class WrongUseError(Exception):
    """A command line that cannot be understood; the message says how to put it right."""
