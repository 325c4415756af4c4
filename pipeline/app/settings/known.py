"""Which settings and options there are and what they take, told before a parser is asked.

A parser's own sentences name types of Python and not the nearest right word.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import is_dataclass
from functools import cache
from itertools import zip_longest
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hintlite.choices import choices, wrong_choice
from hintlite.pipeline.app.cli.parser import Parser
from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.settings.run import RunConfig


@cache
def setting_types() -> dict[str, Any]:
    """Every setting of a run with its type, "training.epochs" as well as "training"."""
    return dict(_settings(RunConfig, ""))


def _settings(part: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, kind in get_type_hints(part).items():
        yield prefix + name, kind
        if is_dataclass(kind):
            yield from _settings(kind, f"{prefix}{name}.")


def unknown(what: str, name: str, known: Collection[str]) -> str:
    """What to say of a name that is none of those that are known."""
    near = _of_sections(name, known) or difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    hint = f"; did you mean: {' or '.join(near)}" if near else ""
    return f"there is no {what} {name!r}{hint}"


def _of_sections(name: str, known: Collection[str]) -> list[str]:
    """Settings that a name lacks the section of, the student's training first."""
    bare = name.removeprefix("--")
    found = [each for each in known if each.rpartition(".")[2] == bare]
    return sorted(found, key=lambda each: each.removeprefix("--") != f"training.{bare}")[:2]


@contextmanager
def in_plain_words() -> Iterator[None]:
    """Says what a parser refuses by a setting's name and the kind of value that it takes."""
    try:
        yield
    except WrongUseError as error:
        raise WrongUseError(_plain(str(error))) from error


def _plain(message: str) -> str:
    found = re.match(r'Parser key "([\w.]+)":', message)
    kind = setting_types().get(found[1]) if found else None
    value = re.search(r"(?:Got value|Given value): (.*)", message)
    if found is None or kind is None or value is None:
        return message
    return f"{found[1]}: expected {_expected(kind)}, got {value[1]!r}"


def _expected(kind: Any) -> str:
    """A kind of value in words."""
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_expected(each) for each in get_args(kind))
    if get_origin(kind) is tuple:
        return f"a list, each of it {_expected(get_args(kind)[0])}"
    return _KINDS.get(get_origin(kind) or kind, "another kind of value")


_KINDS: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    dict: "names with values",
    NoneType: "null",
}


def check_settings(settings: Mapping[str, Any], prefix: str = "") -> None:
    """Refuses unknown settings, and values that are none of those that a setting lists.

    Args:
        settings: nested, some of them.
        prefix: of their names.

    Raises:
        WrongUseError: there is such a setting.
    """
    types = setting_types()
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if name not in types:
            raise WrongUseError(unknown("setting", name, types))
        if is_dataclass(types[name]) and isinstance(value, Mapping):
            check_settings(value, f"{name}.")
        elif is_dataclass(types[name]) and not is_dataclass(value):
            raise WrongUseError(f"{name}: expected settings, names with values; got {value!r:.80}")
        if get_origin(types[name]) is tuple and isinstance(value, str):
            raise WrongUseError(f"{name} is a list: write {name.rpartition('.')[2]}: [{value}]")
        _check_value(name, value, choices(types[name]))


def check_words(parser: Parser, words: Sequence[str]) -> None:
    """Refuses unknown options of a command, and values that are none of those that one lists.

    Args:
        parser: the command's.
        words: those after the command's name.

    Raises:
        WrongUseError: there is such an option.
    """
    options = {name: action for action in parser._actions for name in action.option_strings}
    for word, following in zip_longest(words, words[1:]):
        name, sign, value = word.partition("=")
        if not name.startswith("--") or name == "--":
            continue
        if name in options:
            if sign or following is not None:
                _check_value(name, value if sign else following, choices(_type(options[name])))
        elif get_origin(_type(options.get(name.rpartition(".")[0]))) is not dict:  # --hint.pairs.x
            raise WrongUseError(unknown("option", name, options))


def _type(action: Any) -> Any:
    return getattr(action, "_typehint", None)


def _check_value(name: str, value: Any, found: tuple[Any, ...]) -> None:
    """Compares as text: that is what a command line has."""
    words = ["null" if each is None else str(each) for each in found]
    if found and value not in found and str(value) not in words:
        raise WrongUseError(wrong_choice(name, value, found))
