"""A user's own .npz file: x and y, or Keras' x_train and y_train; other parts, and class names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.disk import Disk
from hintlite.pipeline.data.npz_file import (
    head_of,
    present_in,
    read_arrays,
    read_member,
    require_members,
)
from hintlite.pipeline.data.rows import SampleArray
from hintlite.pipeline.data.sources.arrays import TestOutline, pool_of_arrays, short_name
from hintlite.pipeline.data.sources.source import Pool
from hintlite.pipeline.settings.data import DataConfig

TRAINING, KERAS = ("x", "y"), ("x_train", "y_train")
VALIDATION = (("x_val", "y_val"), ("x_valid", "y_valid"), ("x_validation", "y_validation"))
TEST = ("x_test", "y_test")
NAMES = "class_names"


def open_npz(config: DataConfig, disk: Disk | None = None) -> Pool:
    """Offers the training arrays of the file; the images of x_test stay closed until they are read.

    Raises:
        DataError: no such file, not an .npz, missing arrays, or arrays that are refused.
    """
    path = Path(config.path or "").expanduser()
    present = present_in(path)
    _refuse_half_a_part(path, present)
    training = _training_members(path, present)
    validation = [pair for pair in VALIDATION if pair[0] in present][:1]
    images, labels, own = _joined(path, [training, *validation], disk)
    groups = None if config.group is None else _groups(path, present, config.group, len(images))
    tested = TEST[0] in present
    outline = _outline(path) if tested else None
    pool = pool_of_arrays(
        images,
        labels,
        str(path),
        _class_names(path) if NAMES in present else None,
        read_test=partial(_read_test, path, disk) if tested else None,
        outline=outline,
        name=short_name(path),
        notes=_unread(present, (*training, *TEST, NAMES, *sum(validation, ()), str(config.group))),
        kind=config.kind,
        groups=groups,
    )
    return replace(pool, validation=own if validation else None)


def _groups(path: Path, present: Sequence[str], name: str, count: int) -> np.ndarray:
    """The group of each sample, those of a validation part of the file's own behind the others."""
    if name not in present:
        raise DataError(
            f"{path}: data.group names the array {name!r}, found {', '.join(present)}; save one "
            "number or name a sample, np.savez(path, x=x, y=y, person=person)"
        )
    groups = read_member(path, name)
    if groups.ndim != 1 or len(groups) != count:
        raise DataError(
            f"{path}: {name} has shape {list(groups.shape)}, expected [{count}], one group a sample"
        )
    return groups


def _joined(
    path: Path, members: Sequence[tuple[str, str]], disk: Disk | None
) -> tuple[SampleArray, np.ndarray, np.ndarray]:
    """Images and labels of the training part and of one behind it, whose rows come third."""
    for pair in members:
        require_members(path, pair)
    heads = [head_of(path, images) for images, _ in members]
    marks = [read_member(path, labels) for _, labels in members]
    for pair, head, labels in zip(members[1:], heads[1:], marks[1:], strict=True):
        same = head.sample == heads[0].sample
        if not same or labels.shape[1:] != marks[0].shape[1:]:
            raise DataError(
                f"{path}: {pair[0]} holds {head.dtype} {list(head.shape)} and {pair[1]} "
                f"{list(labels.shape)}, {members[0][0]} {heads[0].dtype} {list(heads[0].shape)} "
                f"and {members[0][1]} {list(marks[0].shape)}; save both parts with one type and "
                "shape"
            )
    images = read_arrays(path, [images for images, _ in members], disk)
    labels = np.concatenate(marks) if len(marks) > 1 else marks[0]
    return images, labels, np.arange(len(marks[0]), len(labels))


def _read_test(path: Path, disk: Disk | None) -> tuple[SampleArray, np.ndarray]:
    return read_arrays(path, [TEST[0]], disk), read_member(path, TEST[1])


def _outline(path: Path) -> TestOutline:
    """What can be told of the test part while its images stay closed."""
    return TestOutline(read_member(path, TEST[1]), head_of(path, TEST[0]).shape)


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
