"""Writing a cache's array into its file, from the first row on or from where another process ended.

While an array is written on, its file ends in a number behind the values: the rows that are on the
disk. It is raised after their values have got there, so that it never says too much.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable
from typing import BinaryIO

import numpy as np

from hintlite.pipeline.cache.entry import CacheError, Entry

SPARE = 512  # bytes that a file has beside the values while it is written on: header and count
COUNT = 8  # bytes of the number of rows
SYNCED_BYTES = 2**26  # of values, after which the number is raised


def write_all(file: BinaryIO, entry: Entry, chunks: Iterable[np.ndarray]) -> None:
    """Header and values, all on the disk when this returns.

    Raises:
        CacheError: more or fewer rows than the array has.
    """
    file.write(_header(entry))
    start = file.tell()
    for chunk in chunks:
        file.write(np.ascontiguousarray(chunk, entry.dtype).data)
    _check_length(entry, file.tell() - start)
    _to_disk(file)


def is_begun(file: BinaryIO, entry: Entry) -> bool:
    """Whether the file is one that `write_on` can go on with."""
    header = _header(entry)
    file.seek(0)
    begun = file.read(len(header)) == header
    file.seek(0)
    return begun and os.fstat(file.fileno()).st_size == entry.size_bytes + SPARE


def is_resumable(file: BinaryIO) -> bool:
    """Whether the file is one that `write_on` could go on with, whatever its array is called."""
    try:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    except (ValueError, EOFError):
        return False
    entry = Entry("", shape, dtype)
    return os.fstat(file.fileno()).st_size == entry.size_bytes + SPARE and _rows(file, entry) > 0


def write_on(file: BinaryIO, entry: Entry, chunks: Callable[[int], Iterable[np.ndarray]]) -> None:
    """Header and values, those that are there already left alone; all on the disk at the end.

    Args:
        file: of entry.size_bytes + SPARE bytes, zeros where nothing has been written.
        entry: the array.
        chunks: row to begin with -> arrays that follow one another along the first axis.

    Raises:
        CacheError: more or fewer rows than the array has.
    """
    header, row_bytes = _header(entry), entry.size_bytes // max(entry.shape[0], 1)
    done = _rows(file, entry) if is_begun(file, entry) else 0
    file.write(header)
    file.seek(len(header) + done * row_bytes)
    unsynced = 0
    for chunk in chunks(done):
        values = np.ascontiguousarray(chunk, entry.dtype)
        done, unsynced = done + len(values), unsynced + values.nbytes
        if done > entry.shape[0]:
            break
        file.write(values.data)
        if unsynced >= SYNCED_BYTES:
            _note_rows(file, entry, done)
            unsynced = 0
    _check_length(entry, done * row_bytes)
    file.truncate(len(header) + entry.size_bytes)
    _to_disk(file)


def _header(entry: Entry) -> bytes:
    """What `np.save` writes before the values."""
    made = io.BytesIO()
    form = {"descr": entry.dtype.str, "fortran_order": False, "shape": entry.shape}
    np.lib.format.write_array_header_1_0(made, form)
    return made.getvalue()


def _rows(file: BinaryIO, entry: Entry) -> int:
    """How many rows are on the disk."""
    at = entry.size_bytes + SPARE - COUNT
    return int.from_bytes(os.pread(file.fileno(), COUNT, at), "little")


def _note_rows(file: BinaryIO, entry: Entry, rows: int) -> None:
    _to_disk(file)
    at = entry.size_bytes + SPARE - COUNT
    os.pwrite(file.fileno(), rows.to_bytes(COUNT, "little"), at)


def _check_length(entry: Entry, size_bytes: int) -> None:
    if size_bytes != entry.size_bytes:
        raise CacheError(
            f"{entry.name}: {size_bytes} bytes were computed, expected {entry.size_bytes}"
        )


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
