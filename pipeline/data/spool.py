"""Samples whose number nobody knows before they have come: in memory while few, then in a file."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np

from hintlite.errors import SettingsError
from hintlite.pipeline.cache.entry import CacheError
from hintlite.pipeline.cache.folder import GB, gigabytes
from hintlite.pipeline.data.disk import IN_MEMORY_BYTES
from hintlite.pipeline.data.rows import LazyRows, SampleArray, everything

BUDGET_GB = 8.0
_files: set[str] = set()  # of spools, each of them one whole array


class Spool:
    """Takes arrays one after the other, and gives them back as one.

    Its file goes when the array is used no more, and at the latest when the program ends.

    Args:
        what: the samples, for messages.
        folder: of the file; the system's for temporary files if None.
        budget_gb: the most that the file may take, in GB of 10^9 bytes.
        least_bytes: samples that take less stay in memory.
        fewer: how to have fewer of them, for messages: "add take(n)".
    """

    def __init__(
        self,
        what: str,
        folder: str | Path | None = None,
        budget_gb: float = math.inf,
        fewer: str = "",
        least_bytes: float | None = None,
    ) -> None:
        self.what, self.budget_gb, self.fewer = what, budget_gb, fewer
        self.least_bytes = IN_MEMORY_BYTES if least_bytes is None else least_bytes
        self.folder = Path(folder or tempfile.gettempdir()).expanduser()
        self._held: list[np.ndarray] = []
        self._held_bytes = 0
        self._rows = self._written = 0
        self._file: IO[bytes] | None = None
        if not self.folder.is_dir():
            raise SettingsError(f"folder: {self.folder} is no folder; name one that is there")
        if not budget_gb > 0:
            raise SettingsError(f"budget_gb must be above 0; got {budget_gb}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Removes the file of an array that was not completed."""
        if self._file is not None:
            self._file.close()
            os.unlink(self._file.name)

    def add(self, rows: np.ndarray) -> None:
        """Takes arrays [k, ...], all of one type and shape.

        Raises:
            CacheError: the budget or the disk is too small.
        """
        self._held.append(rows)
        self._rows += len(rows)
        self._held_bytes += rows.nbytes
        if self._held_bytes >= self.least_bytes:
            self._write()

    def require(self, size_bytes: int) -> None:
        """Refuses what would not fit, where the size is known before.

        Raises:
            CacheError: the budget or the disk is too small.
        """
        if size_bytes < self.least_bytes:
            return
        fewer = f", or {self.fewer}" if self.fewer else ""
        if size_bytes > self.budget_gb * GB:
            raise CacheError(
                f"{self.what}: the samples take {gigabytes(size_bytes)} or more, and budget_gb "
                f"allows {self.budget_gb:g} GB: raise it{fewer}"
            )
        free = shutil.disk_usage(self.folder).free
        if size_bytes - self._written > free:
            raise CacheError(
                f"{self.what}: the samples take {gigabytes(size_bytes)} or more, and the disk of "
                f"{self.folder} has {gigabytes(free)} left: free some space, name a folder on "
                f"another disk (folder=...){fewer}"
            )

    def array(self) -> SampleArray:
        """All rows, [n, ...], at least one."""
        if self._file is None:
            return np.concatenate(self._held)
        shape, dtype = (self._rows, *self._shape), self._dtype
        if self._held:
            self._write()
        file, self._file = self._file, None
        file.close()
        whole = np.memmap(file.name, dtype, "r", shape=shape)
        _files.add(file.name)
        weakref.finalize(whole, _remove, file.name)
        return whole

    def _write(self) -> None:
        chunk = np.concatenate(self._held)
        self.require(self._written + chunk.nbytes)
        if self._file is None:
            self._shape, self._dtype = chunk.shape[1:], chunk.dtype
            self._file = tempfile.NamedTemporaryFile(  # noqa: SIM115 - it outlives this call
                prefix="hintlite-", suffix=".samples", dir=self.folder, delete=False
            )
        self._file.write(np.ascontiguousarray(chunk).data)
        self._written += chunk.nbytes
        self._held, self._held_bytes = [], 0


def _remove(name: str) -> None:
    _files.discard(name)
    Path(name).unlink(missing_ok=True)


def spooled(samples: SampleArray) -> LazyRows | None:
    """Samples that are all of a spool's file, in its order; None if they are not.

    Args:
        samples: [n, ...], raw; `stored.filename` of what comes back is the file.
    """
    found = everything(samples) if isinstance(samples, np.memmap) else samples
    if not isinstance(found, LazyRows):
        return None
    whole = np.array_equal(found.rows, np.arange(len(found.stored)))
    return found if whole and getattr(found.stored, "filename", None) in _files else None
