"""What every section gets and gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup


@dataclass(frozen=True)
class Report:
    """One run on the page.

    Args:
        name: of the run, different for each run of a page.
        path: the run folder, for the pictures that `facts` does not hold.
        facts: what collect() returned.
    """

    name: str
    path: Path
    facts: dict[str, Any]


@dataclass(frozen=True)
class Section:
    """One part of the page.

    Args:
        anchor: its id in the page.
        title: its heading.
        html: its content.
        note: how to read it, or where its figures come from; plain text.
    """

    anchor: str
    title: str
    html: Markup
    note: str = ""
