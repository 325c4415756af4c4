"""The parser of one command."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any, NoReturn

from jsonargparse import ArgumentParser

from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.settings.run import RunConfig


class Parser(ArgumentParser):
    """Raises WrongUseError, and leaves the run folder out of printed settings."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raises WrongUseError."""
        raise WrongUseError(str(message).strip()) from ex

    def dump(self, cfg: Any, *args: Any, **kwargs: Any) -> str:
        """The settings as YAML; the other options are not settings."""
        known = set(asdict(RunConfig()))
        kept = type(cfg)(**{key: value for key, value in vars(cfg).items() if key in known})
        return str(super().dump(kept, *args, **kwargs))

    def switch(self, name: str, what: str) -> None:
        """Adds an option without a value."""
        self.add_argument(name, action="store_true", help=what)

    def word(self, name: str, metavar: str | None, what: str) -> None:
        """Adds an option with a text, or none by default: a path, most often."""
        self.add_argument(name, metavar=metavar, type=str | None, help=what)

    def json(self, otherwise: str) -> None:
        """Adds --json, of a command that prints something else without it."""
        self.switch("--json", f"one JSON object instead of {otherwise}")


def make_parser(description: str, examples: str, usage: str) -> Parser:
    """A subcommand's parser, still without words.

    Args:
        description: what it does; also in the list of the commands.
        examples: command lines.
        usage: of its words.
    """
    return Parser(
        usage=f"hintlite {usage}",
        description=description,
        epilog=f"examples:\n  {examples}\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
