"""The parser of one command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, DefaultHelpFormatter

from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.settings.run import RunConfig


class HelpFormatter(argparse.RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Shows defaults, and leaves the lines of examples as they are."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        plain = isinstance(action.default, bool) and action.nargs == 0
        if plain or action.default in (None, argparse.SUPPRESS) or "default" in text:
            return text
        return f"{text.removesuffix('.')} (default: {_as_typed(action.default)})"


class Parser(ArgumentParser):
    """Raises WrongUseError, and leaves the run folder out of printed settings.

    Attributes:
        main: the options that --help shows; all if empty.
        shows_all: whether --help=all was asked for.
    """

    main: frozenset[str] = frozenset()
    shows_all = False

    def format_help(self, *arguments: Any) -> str:
        """The text of --help."""
        groups = self._action_groups
        self._action_groups = [self._shown(group) for group in groups]
        try:
            return str(super().format_help(*arguments))
        finally:
            self._action_groups = groups

    def _shown(self, group: Any) -> Any:
        """A group of options with those that are shown; without its title where none is."""
        actions = [each for each in group._group_actions if self._is_shown(each)]
        about = (group.title, group.description) if actions else (None, None)
        return SimpleNamespace(title=about[0], description=about[1], _group_actions=actions)

    def _is_shown(self, action: argparse.Action) -> bool:
        if self.shows_all or not self.main or not action.option_strings:
            return True
        return not self.main.isdisjoint(action.option_strings)

    @property
    def flags(self) -> dict[str, bool]:
        """Each option, and whether it is followed by a value."""
        return {
            word: action.nargs != 0 for action in self._actions for word in action.option_strings
        }

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

    def numbers(self, rows: Sequence[tuple[str, int | float, str]]) -> None:
        """Adds options from their names, defaults and meanings; the type is the default's."""
        for name, default, what in rows:
            self.add_argument(
                f"--{name}",
                type=type(default),
                default=default,
                help=f"{what}; {default} by default",
            )

    def accept_chance(self) -> None:
        """Adds --accept_chance, of a command that is given a model and asks it first."""
        self.switch(
            "--accept_chance",
            "go on with a model that is no better than guessing as it is fed, or far better on "
            "another range of values",
        )

    def json(self, otherwise: str) -> None:
        """Adds --json, of a command that prints something else without it."""
        self.switch("--json", f"one JSON object instead of {otherwise}")


def _as_typed(value: Any) -> str:
    """A default as one would give it on the command line."""
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).replace("%", "%%") if value != {} else "none"


EXIT_CODES = (
    "exit codes: 0 done, 1 the job failed, 2 wrong use (words, files, folders), 130 interrupted"
)


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
        epilog=f"examples:\n  {examples}\n\n{EXIT_CODES}\n",
        formatter_class=HelpFormatter,
    )
