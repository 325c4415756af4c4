"""CSV and Parquet files as columns of numbers and text."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hintlite.errors import DataError

SUFFIXES = (".csv", ".parquet")
Columns = Mapping[str, np.ndarray]  # float64 [rows], or text [rows] where a cell is no number


def read_columns(path: Path) -> Columns:
    """The columns of a file by name, in their order.

    Args:
        path: ending in one of SUFFIXES. A CSV file has its names in the first line, and commas,
            semicolons or tabs between its cells.

    Raises:
        DataError: it cannot be read, has no rows, or pyarrow is missing for Parquet.
    """
    columns = _parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)
    if not columns or not len(next(iter(columns.values()))):
        raise DataError(f"{path}: holds no rows; remove the file or record it again")
    return columns


def _csv(path: Path) -> Columns:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            mark = max(",;\t", key=first.count)
            names, *rows = csv.reader(file, delimiter=mark)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read as CSV ({error or 'it is empty'}); expected UTF-8 text with "
            "the columns' names in the first line"
        ) from error
    while rows and not rows[-1]:
        rows.pop()
    for number, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise DataError(
                f"{path}: line {number} has {len(row)} cells, the first has {len(names)} names; "
                "repair the line"
            )
    if len(set(names)) != len(names) or all(_is_number(name) for name in names):
        raise DataError(
            f"{path}: the first line, {','.join(names)[:80]}, does not name the columns, each "
            "differently; write the names there"
        )
    return {name: _values([row[place].strip() for row in rows]) for place, name in enumerate(names)}


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _values(cells: list[str]) -> np.ndarray:
    """Numbers where all cells are (an empty one is NaN), text otherwise."""
    try:
        return np.array([float(cell) if cell else np.nan for cell in cells])
    except ValueError:
        return np.array(cells)


def _parquet(path: Path) -> Columns:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise DataError(
            f"{path}: Parquet files need pyarrow: python -m pip install 'hintlite[recordings]', or "
            "save it as CSV"
        ) from error
    try:
        table = parquet.read_table(path)
    except (OSError, ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({error}); write it again") from error
    found = {name: table[name].to_pylist() for name in table.column_names}
    return {
        name: _values(["" if cell is None else str(cell) for cell in cells])
        for name, cells in found.items()
    }
