"""A folder of recordings, one a CSV or Parquet file, cut into windows.

The class of each time step stands in a column (data.label), or the recordings of a class lie in a
folder that is named after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.labels import in_order
from hintlite.pipeline.data.sources.arrays import pool_of_arrays, short_name
from hintlite.pipeline.data.sources.source import Pool
from hintlite.pipeline.data.table_file import SUFFIXES, Columns, read_columns
from hintlite.pipeline.data.windows import NO_CLASS, Recording, cut
from hintlite.pipeline.settings.data import DataConfig

BY_RECORDING = "recording"  # data.group: each file is a group


def open_recordings(config: DataConfig) -> Pool:
    """Reads all recordings and offers their windows; those of one group stay together.

    Raises:
        DataError: no recordings, other columns than expected, or values that are not finite.
    """
    root = Path(config.path or "").expanduser()
    files = _files(root, by_folder=config.label is None)
    tables = {path: read_columns(path) for path in files}
    channels = _channels(config, tables)
    classes = _classes(config, tables, root)
    recordings = [_recording(config, root, path, tables[path], channels, classes) for path in files]
    return pool_of_recordings(config, recordings, classes, str(root), channels)


def pool_of_recordings(
    config: DataConfig,
    recordings: Sequence[Recording],
    classes: Sequence[str],
    place: str,
    channels: Sequence[str],
) -> Pool:
    """Cuts recordings as the settings say, and offers the windows.

    Args:
        config: window and hop.
        recordings: of the same channels.
        classes: their names, by label.
        place: where they come from.
        channels: their names.
    """
    window = config.steps(config.window or 0)
    hop = max(window // 2, 1) if config.hop is None else config.steps(config.hop)
    windows = cut(recordings, window, hop, place)
    rate = "" if config.rate_hz is None else f" at {config.rate_hz:g} Hz"
    return pool_of_arrays(
        windows.samples,
        windows.labels,
        place,
        classes,
        name=short_name(place),
        notes=(f"recordings: channels {', '.join(channels)}{rate}", *windows.notes),
        kind="series",
        groups=windows.groups,
    )


def _files(root: Path, by_folder: bool) -> list[Path]:
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; set data.path to a folder of recordings")
    found = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and path.name[0] != "."
    )
    if not found:
        raise DataError(f"{root}: no recordings in it; expected .csv or .parquet files")
    loose = [path for path in found if path.parent == root]
    if by_folder and loose:
        raise DataError(
            f"{root}: {loose[0].name} lies in no folder that says its class; put recordings into "
            "folders named after their classes, or name the column of the class with data.label"
        )
    return found


def _channels(config: DataConfig, tables: dict[Path, Columns]) -> tuple[str, ...]:
    """The columns that are read, the same of every file."""
    (first, columns), *_ = tables.items()
    wanted = config.columns or tuple(
        name
        for name, values in columns.items()
        if name not in (config.label, config.group) and values.dtype.kind == "f"
    )
    if not wanted:
        raise DataError(f"{first}: no column of numbers beside the label and the group")
    for path, found in tables.items():
        missing = [name for name in wanted if name not in found]
        if missing:
            raise DataError(
                f"{path}: no column {missing[0]!r}, found {', '.join(found)}; all recordings need "
                "the same channels (data.columns names them)"
            )
        for name in wanted:
            _check_values(path, name, found[name])
    clocks = [name for name in wanted if all(_only_rises(found[name]) for found in tables.values())]
    if clocks and not config.columns:
        raise DataError(
            f"{first.parent}: column {clocks[0]!r} rises from step to step in every recording, so "
            "it is rather a clock or a counter than a channel: name the channels with data.columns"
        )
    return tuple(wanted)


def _check_values(path: Path, name: str, values: np.ndarray) -> None:
    if values.dtype.kind != "f":
        text = next((value for value in values.tolist() if value), "")
        raise DataError(f"{path}: column {name!r} holds text ({text!r}), expected numbers")
    bad = ~np.isfinite(values)
    if bad.any():
        raise DataError(
            f"{path}: column {name!r} has no finite number in row {int(bad.argmax()) + 1} of its "
            f"values ({int(bad.sum())} such rows); fill the gap, or cut the recording there into "
            "two files"
        )


def _only_rises(values: np.ndarray) -> bool:
    return len(values) > 2 and bool((np.diff(values) > 0).all())


def _classes(config: DataConfig, tables: dict[Path, Columns], root: Path) -> tuple[str, ...]:
    if config.label is None:
        return tuple(sorted({path.relative_to(root).parts[0] for path in tables}))
    found = set()
    for path, columns in tables.items():
        found |= set(_names(_column(path, columns, config.label, "data.label")))
    return tuple(in_order(found - {""}))


def _column(path: Path, columns: Columns, name: str, setting: str) -> np.ndarray:
    if name not in columns:
        raise DataError(
            f"{path}: {setting} names the column {name!r}, found {', '.join(columns)}; correct the "
            "setting or the file"
        )
    return columns[name]


def _names(values: np.ndarray) -> list[str]:
    """Cells of a column as names; empty where there is none."""
    if values.dtype.kind != "f":
        return [str(value) for value in values.tolist()]
    return ["" if np.isnan(value) else f"{value:g}" for value in values.tolist()]


def _recording(
    config: DataConfig,
    root: Path,
    path: Path,
    columns: Columns,
    channels: tuple[str, ...],
    classes: tuple[str, ...],
) -> Recording:
    signal = np.stack([columns[name] for name in channels], axis=1).astype(np.float32)
    if config.label is None:
        labels = np.full(len(signal), classes.index(path.relative_to(root).parts[0]), np.int64)
    else:
        numbers = {name: number for number, name in enumerate(classes)} | {"": NO_CLASS}
        names = _names(columns[config.label])
        labels = np.array([numbers[name] for name in names], np.int64)
    name = str(path.relative_to(root))
    return Recording(name, signal, labels, _group(config, path, columns, name))


def _group(config: DataConfig, path: Path, columns: Columns, name: str) -> str:
    if config.group is None or config.group == BY_RECORDING:
        return name
    found = sorted(set(_names(_column(path, columns, config.group, "data.group"))))
    if len(found) != 1 or not found[0]:
        raise DataError(
            f"{path}: column {config.group!r} holds {', '.join(map(repr, found[:3]))}; a recording "
            "belongs to one group: write it as one file a group"
        )
    return found[0]
