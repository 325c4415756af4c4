"""Samples too many for memory: read once from their source, in a stream, into a file beside it.

The file lies in the cache's folder, under a name that carries a hash of what decides its content:
the source's files by place, size and time of change, and what is made of them. A conversion that
was killed goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from hintlite.pipeline.cache.folder import CacheFolder, Entry
from hintlite.pipeline.data.rows import LazyRows, SampleArray, everything

FORMAT = 1  # raised whenever the same source gives another file
IN_MEMORY_BYTES = 2**27  # of raw samples that are not worth a file
LIMITED = "take fewer of them (--data.limit)"

Chunks = Callable[[int], Iterable[np.ndarray]]


@dataclass(frozen=True)
class Disk:
    """Where samples are kept that are too many for memory.

    Args:
        folder: of the cache, with its budget.
        least_bytes: samples that take less stay in memory.
    """

    folder: CacheFolder
    least_bytes: int = IN_MEMORY_BYTES

    def takes(self, shape: Sequence[int], dtype: np.dtype) -> bool:
        """Whether samples of this shape [n, ...] and type go into a file."""
        return int(np.prod(shape, dtype=np.int64)) * dtype.itemsize >= self.least_bytes

    def kept(
        self,
        facts: Mapping[str, Any],
        shape: tuple[int, ...],
        dtype: np.dtype,
        chunks: Chunks,
        fewer: str,
    ) -> LazyRows:
        """The samples in their file, which is made if it is not there.

        Args:
            facts: what decides the content, as plain data; `states` of files among it.
            shape: [n, ...].
            dtype: their own type.
            chunks: row to begin with -> arrays that follow one another along the first axis. What
                it raises ends the conversion, and nothing is kept.
            fewer: how to have less of them, where the disk is too small: "give ...".

        Raises:
            CacheError: the budget or the disk is too small.
        """
        everything_known = {**facts, "shape": shape, "dtype": dtype.str, "format": FORMAT}
        digest = hashlib.sha256(json.dumps(everything_known, sort_keys=True).encode()).hexdigest()
        entry = Entry(
            f"samples-{digest[:32]}",
            shape,
            dtype,
            what="the samples",
            otherwise=fewer,
        )
        while (array := self.folder.open(entry)) is None:
            self.folder.make_on(entry, chunks)
        return everything(array)


def gathered(
    chunks: Chunks,
    files: Mapping[str, Iterable[Path]],
    shape: tuple[int, ...],
    disk: Disk | None,
    facts: Mapping[str, Any] | None = None,
    *,
    dtype: DTypeLike = np.uint8,
    fewer: str = LIMITED,
) -> SampleArray:
    """Samples of a source, in memory or, where they are too many for it, in a file.

    Args:
        chunks: row to begin with -> arrays that follow one another.
        files: that decide the content, under a name for what is read of them.
        shape: [n, ...].
        disk: where files are kept; None: in memory always.
        facts: what else decides the content, as plain data.
        dtype: of the values.
        fewer: see `Disk.kept`.
    """
    dtype = np.dtype(dtype)
    if disk is not None and disk.takes(shape, dtype):
        known = {name: states(paths) for name, paths in files.items()}
        return disk.kept({**known, **(facts or {})}, shape, dtype, chunks, fewer)
    samples, done = np.empty(shape, dtype), 0
    for chunk in chunks(0):
        samples[done : done + len(chunk)] = chunk
        done += len(chunk)
    return samples


def states(paths: Iterable[Path]) -> list[tuple[str, int, int]]:
    """What tells whether files are still the same: place, size in bytes, time of change in ns."""
    found = ((path.absolute(), path.stat()) for path in paths)
    return [(str(path), state.st_size, state.st_mtime_ns) for path, state in found]
