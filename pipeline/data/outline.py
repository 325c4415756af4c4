"""What a table of a recording holds, told in one pass that keeps none of its values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hintlite.pipeline.data.table_file import Column, numbers, read_blocks


@dataclass
class About:
    """What is known of a column, block by block.

    Attributes:
        rows: seen so far.
        numeric: whether all cells are numbers or empty.
        text: the first cell that is not empty.
        bad: how many cells are no finite numbers.
        first_bad: row of the first of them.
        rises: whether each number is above the one before.
    """

    rows: int = 0
    numeric: bool = True
    text: str = ""
    bad: int = 0
    first_bad: int | None = None
    rises: bool = True
    last: float = -np.inf

    def see(self, column: Column) -> None:
        """Takes in the next rows."""
        values = numbers(column) if self.numeric else None
        if isinstance(column, list):
            self.text = self.text or next((cell for cell in column if cell), "")
        if values is None:
            self.numeric = False
        else:
            bad = ~np.isfinite(values)
            if bad.any() and self.first_bad is None:
                self.first_bad = self.rows + int(bad.argmax())
            self.bad += int(bad.sum())
            self.rises &= bool((np.diff(np.r_[self.last, values]) > 0).all())
            self.last = float(values[-1])
        self.rows += len(column)

    @property
    def only_rises(self) -> bool:
        """Whether it is rather a clock or a counter."""
        return self.numeric and self.rises and self.rows > 2


@dataclass
class Names:
    """The cells of a column as names, a number for each row.

    Attributes:
        codes: parts of int64 [rows], numbers of `cells`.
        cells: as they are written, each once.
    """

    codes: list[np.ndarray] = field(default_factory=list)
    cells: dict[str, int] = field(default_factory=dict)

    def see(self, column: Column) -> None:
        """Takes in the next rows."""
        found, inverse = np.unique(np.asarray(column), return_inverse=True)
        written = [str(cell) for cell in found.tolist()]
        if isinstance(column, np.ndarray):
            written = ["" if cell == "nan" else cell for cell in written]
        numbered = [self.cells.setdefault(cell, len(self.cells)) for cell in written]
        self.codes.append(np.array(numbered, np.int64)[inverse])

    def named(self, numeric: bool) -> tuple[list[str], np.ndarray]:
        """The different names, and the number of each row's, int64 [rows].

        Args:
            numeric: all cells are numbers: 1 and 1.0 are one name then.
        """
        names = [f"{float(cell):g}" if numeric and cell else cell for cell in self.cells]
        places = {name: place for place, name in enumerate(dict.fromkeys(names))}
        numbered = np.array([places[name] for name in names], np.int64)
        return list(places), numbered[np.concatenate(self.codes)]


@dataclass(frozen=True)
class Outline:
    """A recording's columns.

    Attributes:
        path: of the file.
        columns: by name, in their order.
        names: of the columns whose cells were asked for, by name.
    """

    path: Path
    columns: Mapping[str, About]
    names: Mapping[str, Names]

    def named(self, column: str) -> tuple[list[str], np.ndarray]:
        """See `Names.named`."""
        return self.names[column].named(self.columns[column].numeric)


def outline(path: Path, wanted: tuple[str, ...]) -> Outline:
    """Reads a table once.

    Args:
        path: CSV or Parquet.
        wanted: columns whose cells are wanted as names, where there are such.

    Raises:
        DataError: it cannot be read.
    """
    columns: dict[str, About] = {}
    names: dict[str, Names] = {}
    for block in read_blocks(path):
        for name, column in block.items():
            columns.setdefault(name, About()).see(column)
            if name in wanted:
                names.setdefault(name, Names()).see(column)
    return Outline(path, columns, names)
