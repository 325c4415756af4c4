"""A user's own .npz file: x, y, optionally x_test and y_test, and class_names."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.sources.arrays import pool_of_arrays
from hintlite.pipeline.data.sources.source import Pool
from hintlite.pipeline.settings.data import DataConfig

TRAINING = ("x", "y")
TEST = ("x_test", "y_test")
NAMES = "class_names"


def open_npz(config: DataConfig) -> Pool:
    """Offers x and y of the file; x_test and y_test stay closed until they are read.

    Raises:
        DataError: no such file, not an .npz, missing arrays, or arrays that checks.py refuses.
    """
    path = Path(config.path or "").expanduser()
    present = present_in(path)
    _refuse_half_a_test(path, present)
    images, labels = read_members(path, TRAINING)
    return pool_of_arrays(
        images,
        labels,
        str(path),
        _class_names(path) if NAMES in present else None,
        read_test=partial(read_members, path, TEST) if TEST[0] in present else None,
    )


def _refuse_half_a_test(path: Path, present: Sequence[str]) -> None:
    if (TEST[0] in present) != (TEST[1] in present):
        here, missing = TEST if TEST[0] in present else TEST[::-1]
        raise DataError(f"{path}: {here} without {missing}; save both or neither")


def _class_names(path: Path) -> list[str]:
    """The optional array of class names, which numpy must have stored as text."""
    names = read_member(path, NAMES)
    if names.dtype.kind != "U" or names.ndim != 1:
        raise DataError(
            f"{path}: class_names is {names.dtype} {list(names.shape)}, expected text [classes]; "
            "save np.array(['first', 'second'])"
        )
    return [str(name) for name in names]


def read_members(path: Path, members: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Reads two arrays of an .npz, and nothing else of it.

    Raises:
        DataError: a missing array (those present are listed), or an unreadable one.
    """
    present = present_in(path)
    missing = [name for name in members if name not in present]
    if missing:
        raise DataError(
            f"{path}: no array named {' or '.join(missing)}, found {', '.join(present) or 'none'}; "
            f"save with np.savez(path, {members[0]}=images, {members[1]}=labels)"
        )
    return read_member(path, members[0]), read_member(path, members[1])


def present_in(path: Path, setting: str = "data.path") -> list[str]:
    """The names of the arrays in a file.

    Args:
        path: the file.
        setting: where it was named.

    Raises:
        DataError: no such file, or no .npz.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; set {setting} to an .npz file")
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: not a readable .npz file ({error}); save it with np.savez(path, x=x, y=y)"
        ) from error


def read_member(path: Path, name: str) -> np.ndarray:
    """Reads one array of an .npz that has it.

    Raises:
        DataError: it is damaged, or holds Python objects.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return np.asarray(archive[name])
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path}: array {name} cannot be read ({error}); save numbers of one shape a sample, "
            "np.stack(samples), not Python objects"
        ) from error
