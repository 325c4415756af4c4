"""The arrays of an .npz file, one by one; images of more than memory in a stream."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.cache.entry import CacheError
from hintlite.pipeline.cache.folder import gigabytes
from hintlite.pipeline.data.disk import Disk, states
from hintlite.pipeline.data.rows import CHUNK_BYTES, SampleArray

FEWER = "save fewer samples, or in a smaller type (pictures as uint8)"
_FAULTS = (OSError, ValueError, DataError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Head:
    """What the header of an array states.

    Attributes:
        shape: [n, ...].
        dtype: of the values.
        by_columns: whether the first axis is the innermost one, as Fortran has it.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    by_columns: bool

    @property
    def row_bytes(self) -> int:
        """What one sample takes."""
        return self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))

    @property
    def sample(self) -> tuple[object, tuple[int, ...]]:
        """What all samples of the array have in common."""
        return self.dtype, self.shape[1:]


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


def require_members(path: Path, members: tuple[str, str]) -> None:
    """Refuses a file without two arrays.

    Raises:
        DataError: a missing array (those present are listed).
    """
    present = present_in(path)
    missing = [name for name in members if name not in present]
    if missing:
        raise DataError(
            f"{path}: no array named {' or '.join(missing)}, found {', '.join(present) or 'none'}; "
            f"save with np.savez(path, {members[0]}=images, {members[1]}=labels)"
        )


def read_members(path: Path, members: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Reads two arrays of an .npz, and nothing else of it.

    Raises:
        DataError: a missing array, or an unreadable one.
    """
    require_members(path, members)
    return read_member(path, members[0]), read_member(path, members[1])


def read_member(path: Path, name: str) -> np.ndarray:
    """Reads one array of an .npz that has it.

    Raises:
        DataError: it is damaged, or holds Python objects.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return np.asarray(archive[name])
    except _FAULTS as error:
        raise _unreadable(path, name, error) from error


def head_of(path: Path, name: str) -> Head:
    """What an array is; its values stay unread.

    Raises:
        DataError: no array's header, or one of Python objects.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            return _head(file)
    except _FAULTS as error:
        raise _unreadable(path, name, error) from error


def read_arrays(path: Path, names: Sequence[str], disk: Disk | None) -> SampleArray:
    """Arrays of one type and sample shape behind one another.

    Args:
        path: the .npz file.
        names: of the arrays.
        disk: where they are kept if they are too many for memory; None: in memory always.

    Raises:
        DataError: a damaged array.
        CacheError: the budget or the disk is too small.
    """
    heads = [head_of(path, name) for name in names]
    count = sum(head.shape[0] for head in heads if head.shape)
    shape, dtype = (count, *heads[0].shape[1:]), heads[0].dtype
    if disk is not None and all(head.shape for head in heads) and disk.takes(shape, dtype):
        facts = {"npz": states([path]), "arrays": list(names)}
        chunks = partial(_streamed, path, names, disk.folder.path)
        return disk.kept(facts, shape, dtype, chunks, FEWER)
    arrays = [read_member(path, name) for name in names]
    return np.concatenate(arrays) if len(arrays) > 1 else arrays[0]


def _streamed(path: Path, names: Sequence[str], work: Path, first: int) -> Iterator[np.ndarray]:
    """The rows of all arrays from one on, some at a time; `work` is a folder to unpack into."""
    for name in names:
        head = head_of(path, name)
        count = head.shape[0]
        if first < count:
            try:
                yield from (
                    _turned(path, name, first, work)
                    if head.by_columns
                    else _rows(path, name, first)
                )
            except _FAULTS as error:
                raise _unreadable(path, name, error) from error
        first = max(first - count, 0)


def _rows(path: Path, name: str, first: int) -> Iterator[np.ndarray]:
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
        head = _head(file)
        row_bytes, step = head.row_bytes, max(CHUNK_BYTES // max(head.row_bytes, 1), 1)
        file.seek(first * row_bytes, 1)
        for start in range(first, head.shape[0], step):
            rows = min(step, head.shape[0] - start)
            content = file.read(rows * row_bytes)
            if len(content) != rows * row_bytes:
                raise EOFError(f"it ends within sample {start + len(content) // row_bytes}")
            yield np.frombuffer(content, head.dtype).reshape(rows, *head.shape[1:])
        file.read(1)  # at its end the archive compares checksums


def _turned(path: Path, name: str, first: int, work: Path) -> Iterator[np.ndarray]:
    """Rows of an array in Fortran's order: unpacked beside the file that is made, for that time."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
        head = _head(file)
        size_bytes, free = head.shape[0] * head.row_bytes, shutil.disk_usage(work).free
        if size_bytes > free:
            raise CacheError(
                f"{path}: to turn {name} from Fortran's order takes {gigabytes(size_bytes)} more, "
                f"and the disk of {work} has {gigabytes(free)} left: free some space, or save "
                f"np.ascontiguousarray({name})"
            )
        with tempfile.TemporaryFile(dir=work) as unpacked:
            shutil.copyfileobj(file, unpacked, CHUNK_BYTES)
            unpacked.flush()
            if unpacked.tell() < size_bytes:
                raise EOFError(f"it has {unpacked.tell()} bytes of {size_bytes}")
            columns = np.memmap(unpacked, head.dtype, "r", shape=head.shape, order="F")
            step = max(CHUNK_BYTES // max(head.row_bytes, 1), 1)
            for start in range(first, head.shape[0], step):
                yield np.ascontiguousarray(columns[start : start + step])


def _head(file: Any) -> Head:
    version = np.lib.format.read_magic(file)
    read: Any = np.lib.format.read_array_header_1_0
    if version >= (2, 0):
        read = np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = read(file)
    if dtype.hasobject:
        raise DataError("it holds Python objects")
    return Head(tuple(shape), dtype, bool(by_columns))


def _unreadable(path: Path, name: str, error: Exception) -> DataError:
    return DataError(
        f"{path}: array {name} cannot be read ({error}); save numbers of one shape a sample, "
        "np.stack(samples), or text, np.array(labels, str), not Python objects"
    )
