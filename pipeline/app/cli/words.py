"""From the words that a user types to those that the parser knows: short forms, lists, hyphens."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, get_args, get_origin

from hintlite.pipeline.app.settings.known import setting_types
from hintlite.pipeline.app.settings.named_data import named_data

DATA = "--data"


def in_full(words: list[str], known: Collection[str], short: Mapping[str, str]) -> list[str]:
    """The words of a command as its parser knows them.

    Flags may be written with hyphens for underscores, lists without brackets (`--arms hint+kd,kd`),
    and `--data WORD` stands for data.source and data.path.

    Args:
        words: behind the command's name.
        known: the flags that its parser knows.
        short: shorter words -> the settings that they stand for.

    Raises:
        WrongUseError: `--data` names nothing that is there.
    """
    found: list[str] = []
    rest = iter(words)
    for word in rest:
        flag, sign, value = word.partition("=")
        flag = _with_underscores(flag, {*known, *short})
        flag = short.get(flag, flag)
        if flag == DATA and f"{DATA}.source" in known:
            found += _data_flags(value if sign else next(rest, ""))
        elif flag in known and flag in _lists():
            value = value if sign else next(rest, "")
            found += [flag, value if value.startswith("[") else f"[{value}]"]
        else:
            found.append(flag + sign + value)
    return found


def _with_underscores(flag: str, known: Collection[str]) -> str:
    """The flag that is meant; keys of the user's own, as in --hint.pairs.KEY, are let be."""
    meant = "--" + flag[2:].replace("-", "_")
    return meant if flag.startswith("--") and flag not in known and meant in known else flag


def _data_flags(value: str) -> list[str]:
    if value.startswith("{"):  # the settings themselves, as YAML
        return [DATA, value]
    source, path = named_data(value)
    return ["--data.source", source, "--data.path", "null" if path is None else path]


@cache
def _lists() -> frozenset[str]:
    """The settings that are lists of words or numbers."""
    return frozenset(f"--{name}" for name, kind in setting_types().items() if _is_list(kind))


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is tuple and get_args(kind)[0] in (str, int, float)
