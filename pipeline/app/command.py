"""What the user asked for, once the command line is understood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hintlite.pipeline.settings.run import RunConfig


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: the subcommand.
        options: its own options.
        config: the settings of a run, for the commands that have them.
        notes: things to tell the user before starting.
    """

    name: str
    options: dict[str, Any]
    config: RunConfig | None = None
    notes: tuple[str, ...] = ()
