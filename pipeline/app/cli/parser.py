"""The parser of one command: its words, and near names for typos."""

from __future__ import annotations

import argparse
import difflib
import re
from dataclasses import asdict
from typing import Any, NoReturn

from jsonargparse import ArgumentParser

from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.settings.run import RunConfig


class Parser(ArgumentParser):
    """Raises WrongUseError, and leaves the run folder out of printed settings."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raises WrongUseError, with the nearest right names."""
        parser = getattr(ex, "subcommand_parser", None) or self
        raise WrongUseError(improve(str(message), parser)) from ex

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


def improve(message: str, parser: ArgumentParser) -> str:
    """Adds the nearest right names to a message about a wrong one."""
    unknown = re.findall(r"(--[\w.]+)", message) if "nrecognized" in message else []
    wrong_key = re.search(r"does not accept option '([\w.]+)'", message)
    if wrong_key:
        unknown.append("--" + wrong_key.group(1))
    choice = re.search(r"invalid choice: '?([^' ]+)'? \(choose from (.*)\)", message)
    if choice:
        names = [name.strip(" '") for name in choice.group(2).split(",")]
        near = difflib.get_close_matches(choice.group(1), names, n=1)
        return message + (f"\ndid you mean: {near[0]}" if near else "")
    literal = re.search(r'Parser key "([\w.]+)".*?Literal\[(.*?)\]', message, re.DOTALL)
    given = re.search(r"(?:Given|Got) value: (\S+)\s*$", message)
    if literal and given:
        return _no_such(literal[1], given[1], re.findall(r"'([^']*)'", literal[2]))
    known = [option for action in parser._actions for option in action.option_strings]
    lines = [message.strip()]
    for word in dict.fromkeys(unknown):
        near = difflib.get_close_matches(word, known, n=2, cutoff=0.6)
        if near:
            lines.append(f"did you mean: {' or '.join(near)}")
    return "\n".join(lines)


def _no_such(key: str, given: str, names: list[str]) -> str:
    """A value that is none of a few names, with the nearest."""
    near = difflib.get_close_matches(given, names, n=1)
    hint = f"\ndid you mean: {near[0]}" if near else ""
    return f"--{key} must be one of {', '.join(names)}; got {given}{hint}"
