"""A folder of recordings, one a CSV or Parquet file, cut into windows.

The class of each time step stands in a column (data.label), or the recordings of a class lie in a
folder that is named after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.disk import Disk, gathered
from hintlite.pipeline.data.labels import in_order
from hintlite.pipeline.data.outline import Outline, outline
from hintlite.pipeline.data.rows import SampleArray
from hintlite.pipeline.data.sources.arrays import pool_of_arrays, short_name
from hintlite.pipeline.data.sources.source import Pool
from hintlite.pipeline.data.table_file import SUFFIXES, Columns, numbers, read_blocks
from hintlite.pipeline.data.windows import (
    NO_CLASS,
    Recording,
    Stretches,
    Windows,
    cut,
    pieces,
)
from hintlite.pipeline.settings.data import DataConfig

BY_RECORDING = "recording"  # data.group: each file is a group
FEWER = "make fewer windows (--data.hop)"


def open_recordings(config: DataConfig, disk: Disk | None = None) -> Pool:
    """Offers the windows of all recordings; those of one group stay together.

    Two passes, each with few rows in memory: one for classes, groups and checks, one for values.

    Raises:
        DataError: no recordings, other columns than expected, or values that are not finite.
        CacheError: the windows do not fit on the disk.
    """
    root = Path(config.path or "").expanduser()
    files = _files(root, by_folder=config.label is None)
    wanted = tuple(name for name in (config.label, config.group) if name is not None)
    outlines = [outline(path, wanted) for path in files]
    channels = _channels(config, outlines)
    classes = _classes(config, outlines, root)
    found = [_stretches(config, root, each, classes) for each in outlines]
    windows = cut_as_set(config, found, str(root))
    samples = gathered(
        partial(_streamed, files, windows, channels),
        {"recordings": files},
        (len(windows.labels), windows.length, len(channels)),
        disk,
        {name: getattr(config, name) for name in ("window", "hop", "rate_hz", "label")}
        | {"channels": channels},
        dtype=np.float32,
        fewer=FEWER,
    )
    return pool_of_windows(config, samples, windows, classes, str(root), channels)


def _streamed(
    files: Sequence[Path], windows: Windows, channels: Sequence[str], first: int
) -> Iterator[np.ndarray]:
    """The windows from one on."""
    for path, starts, number in zip(files, windows.starts, windows.firsts, strict=False):
        left = starts[max(first - int(number), 0) :]
        if left:
            blocks = map(partial(_signal, path, channels=channels), read_blocks(path))
            yield from pieces(blocks, left, windows.length)


def _signal(path: Path, block: Columns, channels: Sequence[str]) -> np.ndarray:
    found = [values for name in channels if (values := numbers(block[name])) is not None]
    if len(found) < len(channels):
        raise DataError(f"{path}: was changed while it was read; start again when it is written")
    return np.stack(found, axis=1).astype(np.float32)


def cut_as_set(config: DataConfig, found: Sequence[Stretches], place: str) -> Windows:
    """Cuts recordings as the settings say.

    Args:
        config: window and hop.
        found: their stretches.
        place: where they come from.
    """
    return cut(found, *_lengths(config), place)


def pool_of_recordings(
    config: DataConfig,
    recordings: Sequence[Recording],
    classes: Sequence[str],
    place: str,
    channels: Sequence[str],
) -> Pool:
    """Cuts recordings that are in memory, and offers the windows.

    Args:
        config: window and hop.
        recordings: of the same channels.
        classes: their names, by label.
        place: where they come from.
        channels: their names.
    """
    windows = cut_as_set(config, [each.stretches for each in recordings], place)
    return pool_of_windows(config, windows.of(recordings), windows, classes, place, channels)


def pool_of_windows(
    config: DataConfig,
    samples: SampleArray,
    windows: Windows,
    classes: Sequence[str],
    place: str,
    channels: Sequence[str],
) -> Pool:
    """Offers windows.

    Args:
        config: the rate.
        samples: float32 [n, length, channels].
        windows: where they lie.
        classes: their names, by label.
        place: where they come from.
        channels: their names.
    """
    return pool_of_arrays(
        samples,
        windows.labels,
        place,
        classes,
        name=short_name(place),
        notes=(_CHANNELS + ", ".join(channels) + _rate(config), *windows.notes),
        kind="series",
        groups=windows.groups,
    )


_CHANNELS = "recordings: channels "


def _rate(config: DataConfig) -> str:
    return "" if config.rate_hz is None else f" at {config.rate_hz:g} Hz"


def _lengths(config: DataConfig) -> tuple[int, int]:
    """Time steps of a window, and from one to the next."""
    window = config.steps(config.window or 0)
    return window, max(window // 2, 1) if config.hop is None else config.steps(config.hop)


def channels_in(notes: Sequence[str], config: DataConfig) -> tuple[str, ...]:
    """The channels' names that a pool of recordings has noted."""
    noted = next(each for each in notes if each.startswith(_CHANNELS))
    return tuple(noted.removeprefix(_CHANNELS).removesuffix(_rate(config)).split(", "))


def windows_of(
    path: Path, config: DataConfig, channels: Sequence[str]
) -> tuple[np.ndarray, list[int]]:
    """One recording cut from its beginning, whatever its classes.

    Args:
        path: ending in one of SUFFIXES.
        config: window and hop.
        channels: names of the columns, in the order of the channels.

    Returns:
        float32 [n, window, channels], and the first time step of each.

    Raises:
        DataError: no such file, a column that lacks or holds no numbers, or less than a window.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the path of the recording")
    names = _channels(replace(config, columns=tuple(channels)), [outline(path, ())])
    signal = np.concatenate([_signal(path, block, names) for block in read_blocks(path)])
    window, hop = _lengths(config)
    if len(signal) < window:
        raise DataError(
            f"{path}: {len(signal)} time steps, fewer than the {window} of a window; record longer"
        )
    first = list(range(0, len(signal) - window + 1, hop))
    return np.stack([signal[start : start + window] for start in first]), first


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


def _channels(config: DataConfig, outlines: Sequence[Outline]) -> tuple[str, ...]:
    """The columns that are read, the same of every file."""
    first = outlines[0]
    wanted = config.columns or tuple(
        name
        for name, about in first.columns.items()
        if name not in (config.label, config.group) and about.numeric
    )
    if not wanted:
        raise DataError(f"{first.path}: no column of numbers beside the label and the group")
    for found in outlines:
        missing = [name for name in wanted if name not in found.columns]
        if missing:
            raise DataError(
                f"{found.path}: no column {missing[0]!r}, found {', '.join(found.columns)}; all "
                "recordings need the same channels (data.columns names them)"
            )
        for name in wanted:
            _check_values(found, name)
    clocks = [name for name in wanted if all(found.columns[name].only_rises for found in outlines)]
    if clocks and not config.columns:
        raise DataError(
            f"{first.path.parent}: column {clocks[0]!r} rises from step to step in every "
            "recording, so it is rather a clock or a counter than a channel: name the channels "
            "with data.columns"
        )
    return tuple(wanted)


def _check_values(found: Outline, name: str) -> None:
    about = found.columns[name]
    if not about.numeric:
        raise DataError(
            f"{found.path}: column {name!r} holds text ({about.text!r}), expected numbers"
        )
    if about.first_bad is not None:
        raise DataError(
            f"{found.path}: column {name!r} has no finite number in row {about.first_bad + 1} of "
            f"its values ({about.bad} such rows); fill the gap, or cut the recording there into "
            "two files"
        )


def _classes(config: DataConfig, outlines: Sequence[Outline], root: Path) -> tuple[str, ...]:
    if config.label is None:
        return tuple(sorted({each.path.relative_to(root).parts[0] for each in outlines}))
    found: set[str] = set()
    for each in outlines:
        _require_column(each, config.label, "data.label")
        found |= set(each.named(config.label)[0])
    return tuple(in_order(found - {""}))


def _require_column(found: Outline, name: str, setting: str) -> None:
    if name not in found.columns:
        raise DataError(
            f"{found.path}: {setting} names the column {name!r}, found "
            f"{', '.join(found.columns)}; correct the setting or the file"
        )


def _stretches(
    config: DataConfig, root: Path, found: Outline, classes: tuple[str, ...]
) -> Stretches:
    """Where the classes of a recording begin and end."""
    group = _group(config, found, str(found.path.relative_to(root)))
    if config.label is None:
        rows = next(iter(found.columns.values())).rows
        return Stretches(
            [(0, rows, classes.index(found.path.relative_to(root).parts[0]))], 0, group
        )
    numbered = {name: number for number, name in enumerate(classes)} | {"": NO_CLASS}
    names, codes = found.named(config.label)
    labels = np.array([numbered[name] for name in names], np.int64)[codes]
    return Recording(str(found.path), np.empty(0), labels, group).stretches


def _group(config: DataConfig, found: Outline, name: str) -> str:
    if config.group is None or config.group == BY_RECORDING:
        return name
    _require_column(found, config.group, "data.group")
    groups = sorted(found.named(config.group)[0])
    if len(groups) != 1 or not groups[0]:
        raise DataError(
            f"{found.path}: column {config.group!r} holds {', '.join(map(repr, groups[:3]))}; a "
            "recording belongs to one group: write it as one file a group"
        )
    return groups[0]
