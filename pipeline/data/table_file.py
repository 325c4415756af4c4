"""CSV and Parquet files as columns of numbers and text, some rows at a time."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np

from hintlite.errors import DataError

SUFFIXES = (".csv", ".parquet")
ROWS = 2**14  # that are read at a time
Column: TypeAlias = "np.ndarray | list[str]"  # float64 [rows], or cells as they are written
Columns: TypeAlias = Mapping[str, Column]


def read_blocks(path: Path) -> Iterator[Columns]:
    """The columns of a file by name, in their order, some rows at a time.

    Args:
        path: ending in one of SUFFIXES. A CSV file has its names in the first line, and commas,
            semicolons or tabs between its cells.

    Raises:
        DataError: it cannot be read, has no rows, or pyarrow is missing for Parquet.
    """
    empty = True
    for block in _parquet(path) if path.suffix.lower() == ".parquet" else _csv(path):
        empty = False
        yield block
    if empty:
        raise DataError(f"{path}: holds no rows; remove the file or record it again")


def numbers(column: Column) -> np.ndarray | None:
    """float64 [rows] where all cells are numbers (an empty one is NaN); None where one is text."""
    if isinstance(column, np.ndarray):
        return column
    try:
        return np.array([float(cell) if cell else np.nan for cell in column])
    except ValueError:
        return None


def _csv(path: Path) -> Iterator[Columns]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(",;\t", key=first.count))
            names = next(reader, None)
            if names is None:
                raise _unreadable(path, "it is empty")
            _check_names(path, names)
            rows = _rows(path, reader, len(names))
            while block := list(islice(rows, ROWS)):
                yield {n: [row[place].strip() for row in block] for place, n in enumerate(names)}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, why: object) -> DataError:
    return DataError(
        f"{path}: cannot be read as CSV ({why}); expected UTF-8 text with the columns' names in "
        "the first line"
    )


def _check_names(path: Path, names: list[str]) -> None:
    if len(set(names)) != len(names) or all(_is_number(name) for name in names):
        raise DataError(
            f"{path}: the first line, {','.join(names)[:80]}, does not name the columns, each "
            "differently; write the names there"
        )


def _rows(path: Path, lines: Iterable[list[str]], cells: int) -> Iterator[list[str]]:
    """The rows behind the names; empty lines at the end are none."""
    blank = 0
    for number, row in enumerate(lines, start=2):
        if not row:
            blank = blank or number
            continue
        if blank or len(row) != cells:
            line, found = (blank, 0) if blank else (number, len(row))
            raise DataError(
                f"{path}: line {line} has {found} cells, the first has {cells} names; repair the "
                "line"
            )
        yield row


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _parquet(path: Path) -> Iterator[Columns]:
    try:
        from pyarrow import ArrowException, parquet, types
    except ImportError as error:
        raise DataError(
            f"{path}: Parquet files need pyarrow: python -m pip install 'hintlite[recordings]', or "
            "save it as CSV"
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS):
                yield {
                    name: column.to_numpy(zero_copy_only=False).astype(np.float64)
                    if types.is_integer(column.type) or types.is_floating(column.type)
                    else ["" if cell is None else str(cell) for cell in column.to_pylist()]
                    for name, column in zip(batch.schema.names, batch.columns, strict=True)
                }
    except (OSError, ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({error}); write it again") from error
