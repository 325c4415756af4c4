"""Boards by name: the flash, RAM, core and clock that a model has to fit, each with its source."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hintlite.errors import WRONG_USE, HintliteError

OWN = Path(__file__).with_name("boards.yaml")
KIB = 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_TEXTS = ("title", "chip", "core", "source")
_NUMBERS = (
    *("clock_mhz", "flash_kib", "ram_kib"),
    *("reserved_flash_kib", "reserved_ram_kib", "largest_block_kib"),
)


class BoardError(HintliteError):
    """A board that is not known, or a file of boards that cannot be read."""

    exit_code = WRONG_USE


@dataclass(frozen=True)
class Board:
    """What a board offers.

    Args:
        name: as it is asked for.
        title: its full name.
        chip: the microcontroller.
        core: of the microcontroller.
        clock_mhz: its highest clock.
        flash_kib: memory for code and constants, KiB.
        ram_kib: memory for data, all blocks together, KiB.
        source: the document that says so.
        reserved_flash_kib: what its usual bootloader takes of the flash.
        reserved_ram_kib: what it takes of the RAM.
        largest_block_kib: the largest piece of RAM that one array can lie in; None: all of it.
        aliases: other names.
    """

    name: str
    title: str
    chip: str
    core: str
    clock_mhz: float
    flash_kib: float
    ram_kib: float
    source: str
    reserved_flash_kib: float = 0
    reserved_ram_kib: float = 0
    largest_block_kib: float | None = None
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuses values of a wrong type or size."""
        for name in _TEXTS:
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise BoardError(f"board {self.name}: {name} must be a text, got {value!r}")
        for name in _NUMBERS:
            self._check_number(name, getattr(self, name))
        for name in (self.name, *self.aliases):
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise BoardError(
                    f"board {self.name}: {name!r} is no name: small letters, digits, '.', '_', '-'"
                )
        if self.largest_block_kib and self.largest_block_kib > self.ram_kib:
            raise BoardError(f"board {self.name}: largest_block_kib is more than ram_kib")
        if self.reserved_flash_kib >= self.flash_kib or self.reserved_ram_kib >= self.ram_kib:
            raise BoardError(f"board {self.name}: more is reserved than there is")

    def _check_number(self, name: str, value: object) -> None:
        if value is None and name == "largest_block_kib":
            return
        least = 0 if name.startswith("reserved") else 1
        sound = isinstance(value, int | float) and not isinstance(value, bool)
        if not sound or not least <= float(str(value)) < 1e9:
            raise BoardError(
                f"board {self.name}: {name} must be a number from {least}, got {value!r}"
            )

    @property
    def flash_bytes(self) -> int:
        """What is left of the flash, in bytes."""
        return int(KIB * (self.flash_kib - self.reserved_flash_kib))

    @property
    def ram_bytes(self) -> int:
        """What is left of the RAM, in bytes."""
        return int(KIB * (self.ram_kib - self.reserved_ram_kib))

    @property
    def largest_block_bytes(self) -> int:
        """The largest arena that the RAM can hold, in bytes."""
        block = self.ram_bytes if self.largest_block_kib is None else KIB * self.largest_block_kib
        return min(int(block), self.ram_bytes)


def load_boards(extra: Path | None = None) -> dict[str, Board]:
    """The boards of the package, and those of a user's file, which come first.

    Args:
        extra: a YAML file of the form of deploy/boards.yaml.

    Raises:
        BoardError: it cannot be read, or an entry is not a board; the text names entry and field.
    """
    boards = _read(OWN)
    return boards if extra is None else boards | _read(extra)


MORE = " (--boards FILE adds more)"  # of the command


def find_board(name: str, boards: Mapping[str, Board]) -> Board:
    """A board by its name or an alias, in small or capital letters.

    Raises:
        BoardError: there is none; the text has near names, or all.
    """
    wanted = name.lower()
    by_name = {alias: board for board in boards.values() for alias in board.aliases}
    by_name |= dict(boards)
    if wanted in by_name:
        return by_name[wanted]
    near = difflib.get_close_matches(wanted, by_name, n=2, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(boards)}"
    raise BoardError(f"no board {name!r}: {hint}{MORE}")


def _read(path: Path) -> dict[str, Board]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise BoardError(f"the boards {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BoardError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not content:
        raise BoardError(f"{path} must hold entries `name: {{flash_kib: ..., ram_kib: ...}}`")
    return {str(name): _board(str(name), entry, path) for name, entry in content.items()}


def _board(name: str, entry: Any, path: Path) -> Board:
    known = [each.name for each in fields(Board) if each.name != "name"]
    needed = [*_TEXTS, *_NUMBERS[:3]]
    if not isinstance(entry, dict):
        raise BoardError(f"{path}: board {name} must have fields ({', '.join(needed)})")
    for key in entry:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise BoardError(f"{path}: board {name} has a foreign field {key!r}; {hint}")
    missing = [key for key in needed if key not in entry]
    if missing:
        raise BoardError(f"{path}: board {name} lacks {', '.join(missing)}")
    aliases = entry.get("aliases", [])
    if not isinstance(aliases, list):
        raise BoardError(f"{path}: board {name}: aliases must be a list, got {aliases!r}")
    try:
        return Board(**{**entry, "name": name, "aliases": tuple(aliases)})
    except BoardError as error:
        raise BoardError(f"{path}: {error}") from error
