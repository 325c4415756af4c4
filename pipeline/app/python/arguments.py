"""What a caller of `hintlite.<function>` has given, refused where it cannot be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from hintlite.errors import HintliteError


class ArgumentError(HintliteError, ValueError):
    """An argument that cannot be: what was expected, what came, and what to do."""


def expect(what: str, value: Any, kinds: type | tuple[type, ...], expected: str) -> None:
    """Refuses an argument of a wrong type; True and False are no numbers."""
    known = kinds if isinstance(kinds, tuple) else (kinds,)
    if not isinstance(value, known) or (isinstance(value, bool) and bool not in known):
        raise ArgumentError(f"{what}: expected {expected}, got {kind_of(value)}")


def expect_all(given: Mapping[str, tuple[Any, str]]) -> None:
    """Refuses arguments of wrong types: name -> its value and one of the words of `_KINDS`."""
    for what, (value, word) in given.items():
        expect(what, value, _KINDS[word], word)


_KINDS: Mapping[str, tuple[type, ...]] = {
    "a whole number": (Integral,),
    "a number": (Real,),
    "a text": (str,),
    "True or False": (bool,),
    "names to values, {...: ...}": (Mapping,),
    "a list or tuple": (list, tuple),
}


def in_python(message: str) -> str:
    """A sentence for the command line, with arguments in the place of its flags.

    Commands in backticks stay as they are.
    """
    parts = message.split("`")
    parts[::2] = [
        re.sub(r"--([a-z]\w*)", r"\1", part.replace("--accept_chance true", "accept_chance=True"))
        for part in parts[::2]
    ]
    return "`".join(parts)


def kind_of(value: Any) -> str:
    """What a value is, for messages: "a tuple of 2", "None", "a str"."""
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return "None" if value is None else f"a {type(value).__name__}"


def as_folder(folder: Any) -> Path:
    """The path of a folder that is there or will be.

    Raises:
        ArgumentError: no path, or that of a file.
    """
    expect("folder", folder, (str, Path), "the path of a folder")
    if Path(folder).exists() and not Path(folder).is_dir():
        raise ArgumentError(f"folder: {folder} is a file; name a folder")
    return Path(folder)


def class_names(names: Any, classes: int, what: str = "labels") -> tuple[str, ...]:
    """Names of classes, in the order of a network's outputs; their numbers where None are given.

    Args:
        names: as the caller gave them.
        classes: of the network.
        what: the argument's name, for messages.

    Raises:
        ArgumentError: no list of texts (or numbers), or not one a class.
    """
    if names is None:
        return tuple(map(str, range(classes)))
    listed = isinstance(names, Sequence) or hasattr(names, "tolist")
    found = () if not listed or isinstance(names, (str, bytes)) else tuple(names)
    if not found or not all(isinstance(each, (str, Integral)) for each in found):
        raise ArgumentError(
            f"{what}: expected a list of the {classes} classes' names, in the order of the "
            f"network's outputs, got {names!r:.80}"
        )
    if len(found) != classes:
        word = "name" if len(found) == 1 else "names"
        raise ArgumentError(
            f"{what}: {len(found)} {word} ({', '.join(map(str, found))[:80]}) for a network that "
            f"tells {classes} classes apart; give one a class, in the order of its outputs"
        )
    return tuple(map(str, found))
