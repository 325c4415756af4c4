"""A user's own .npz file: x and y, or Keras' x_train and y_train; other parts, and class names."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.sources.arrays import TestOutline, pool_of_arrays, short_name
from hintlite.pipeline.data.sources.source import Pool
from hintlite.pipeline.settings.data import DataConfig

TRAINING, KERAS = ("x", "y"), ("x_train", "y_train")
VALIDATION = (("x_val", "y_val"), ("x_valid", "y_valid"), ("x_validation", "y_validation"))
TEST = ("x_test", "y_test")
NAMES = "class_names"


def open_npz(config: DataConfig) -> Pool:
    """Offers the training arrays of the file; the images of x_test stay closed until they are read.

    Raises:
        DataError: no such file, not an .npz, missing arrays, or arrays that are refused.
    """
    path = Path(config.path or "").expanduser()
    present = present_in(path)
    _refuse_half_a_part(path, present)
    training = _training_members(path, present)
    validation = [pair for pair in VALIDATION if pair[0] in present][:1]
    images, labels, own = _joined(path, [training, *validation])
    tested = TEST[0] in present
    outline = _outline(path) if tested else None
    pool = pool_of_arrays(
        images,
        labels,
        str(path),
        _class_names(path) if NAMES in present else None,
        read_test=partial(read_members, path, TEST) if tested else None,
        outline=outline,
        name=short_name(path),
        notes=_unread(present, (*training, *TEST, NAMES, *sum(validation, ()))),
    )
    return replace(pool, validation=own if validation else None)


def _joined(
    path: Path, members: Sequence[tuple[str, str]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images and labels of the training part and of one behind it, whose rows come third."""
    (images, labels), *others = [read_members(path, pair) for pair in members]
    first = len(images)
    for pair, (more, marks) in zip(members[1:], others, strict=True):
        if _sample(more) != _sample(images) or marks.shape[1:] != labels.shape[1:]:
            raise DataError(
                f"{path}: {pair[0]} holds {more.dtype} {list(more.shape)} and {pair[1]} "
                f"{list(marks.shape)}, {members[0][0]} {images.dtype} {list(images.shape)} and "
                f"{members[0][1]} {list(labels.shape)}; save both parts with one type and shape"
            )
        images, labels = np.concatenate([images, more]), np.concatenate([labels, marks])
    return images, labels, np.arange(first, len(images))


def _sample(array: np.ndarray) -> tuple[object, tuple[int, ...]]:
    """What all samples of a file have in common."""
    return array.dtype, array.shape[1:]


def _outline(path: Path) -> TestOutline:
    """What can be told of the test part while its images stay closed."""
    return TestOutline(read_member(path, TEST[1]), shape_of(path, TEST[0]))


def _training_members(path: Path, present: Sequence[str]) -> tuple[str, str]:
    """x and y, or x_train and y_train."""
    both = [name for name in (*TRAINING, *KERAS) if name in present]
    if TRAINING[0] in both and KERAS[0] in both:
        raise DataError(
            f"{path}: holds both {TRAINING[0]} and {KERAS[0]}; save the training images under one "
            "of the two names"
        )
    return KERAS if KERAS[0] in present else TRAINING


def _unread(present: Sequence[str], read: Sequence[str]) -> list[str]:
    others = [name for name in present if name not in read]
    return [f"file: {', '.join(others)} not read"] if others else []


def _refuse_half_a_part(path: Path, present: Sequence[str]) -> None:
    for images, labels in (TEST, *VALIDATION):
        if (images in present) != (labels in present):
            here, missing = (images, labels) if images in present else (labels, images)
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
        raise _unreadable(path, name, error) from error


def shape_of(path: Path, name: str) -> tuple[int, ...]:
    """The shape that the header of an array states; its values stay unread.

    Raises:
        DataError: no array's header.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            version = np.lib.format.read_magic(file)
            read: Any = np.lib.format.read_array_header_1_0
            if version >= (2, 0):
                read = np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise _unreadable(path, name, error) from error
    if dtype.hasobject:
        raise _unreadable(path, name, ValueError("it holds Python objects"))
    return tuple(shape)


def _unreadable(path: Path, name: str, error: Exception) -> DataError:
    return DataError(
        f"{path}: array {name} cannot be read ({error}); save numbers of one shape a sample, "
        "np.stack(samples), or text, np.array(labels, str), not Python objects"
    )
