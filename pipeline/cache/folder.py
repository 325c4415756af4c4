"""A folder of large arrays that are computed once and then memory-mapped by any process.

A file appears whole or not at all: it is written as `<name>.partial`, brought to the disk and
renamed. Whoever writes it holds a lock on it, so others that want the same file wait for it, and
what a killed process leaves behind is known by its lock being free. Nothing here needs TensorFlow.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from hintlite.pipeline.cache.entry import CacheError, Entry
from hintlite.pipeline.cache.write import SPARE, is_begun, is_resumable, write_all, write_on

__all__ = ["CacheError", "CacheFolder", "Entry", "Held", "gigabytes"]

SUFFIX, PARTIAL = ".npy", ".partial"
# Ours alone are counted and removed, whatever else is in a folder that somebody names.
OURS = re.compile(r".-[0-9a-f]{32}(\.npy|\.partial)$")
GB = 1e9


@dataclass(frozen=True)
class Held:
    """A file in the folder.

    Attributes:
        name: of the file.
        size_bytes: what it takes.
        unused_s: seconds since a training has opened it.
    """

    name: str
    size_bytes: int
    unused_s: float


class CacheFolder:
    """The files and their limit.

    Args:
        path: made when the first file is.
        budget_gb: the most that all files together may take, in GB of 10^9 bytes.
        flags: what sets the budget and the place, for messages.
    """

    def __init__(
        self,
        path: Path,
        budget_gb: float = 8.0,
        flags: tuple[str, str] = ("--cache.budget_gb", "--cache.folder"),
    ) -> None:
        self.path, self.budget_gb, self.flags = path, budget_gb, flags

    def open(self, entry: Entry) -> np.ndarray | None:
        """Memory-maps an array, read-only; None if it is not there.

        A file that was cut short or holds something else is removed: it is to be made again.
        """
        place = self._place(entry)
        try:
            array = np.load(place, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            return None
        except (ValueError, EOFError) as error:
            self._remove_damaged(place, str(error))
            return None
        if array.shape != entry.shape or array.dtype != entry.dtype:
            self._remove_damaged(place, f"it holds {array.dtype} {array.shape}")
            return None
        with contextlib.suppress(OSError):  # another user's file is read all the same
            os.utime(place)
        return np.asarray(array)

    def make(
        self, entry: Entry, chunks: Callable[[], Iterable[np.ndarray]], todo: Sequence[Entry] = ()
    ) -> None:
        """Writes an array, or waits while another process does.

        Args:
            entry: the array.
            chunks: is called if there is something to do; its arrays follow one another along the
                first axis.
            todo: arrays that will be asked for next, for which there must be room too.

        Raises:
            CacheError: the budget or the disk is too small; nothing was written then.
        """
        self._make(entry, lambda file: write_all(file, entry, chunks()), todo)

    def make_on(self, entry: Entry, chunks: Callable[[int], Iterable[np.ndarray]]) -> None:
        """The same, going on with what an interrupted process has written.

        Args:
            entry: the array.
            chunks: row to begin with -> arrays that follow one another along the first axis.

        Raises:
            CacheError: the budget or the disk is too small.
        """
        self._make(entry, lambda file: write_on(file, entry, chunks), resumes=True)

    def _make(
        self,
        entry: Entry,
        write: Callable[[BinaryIO], None],
        todo: Sequence[Entry] = (),
        resumes: bool = False,
    ) -> None:
        self._make_folder()
        with self._claimed(entry) as file:
            if file is None:
                return
            try:
                if not (resumes and is_begun(file, entry)):
                    self._reserve(entry, file, todo, SPARE if resumes else 0)
                write(file)
            except BaseException as error:
                if isinstance(error, Exception) or not resumes:
                    self._partial(entry).unlink(missing_ok=True)
                raise
            os.replace(self._partial(entry), self._place(entry))
            _sync_folder(self.path)

    def held(self) -> list[Held]:
        """What is in the folder, the largest first; half-written files are part of it."""
        now, found = time.time(), []
        for path in [*self._ours(SUFFIX), *self._ours(PARTIAL)]:
            with contextlib.suppress(FileNotFoundError):  # finished or removed just now
                state = path.stat()
                found.append(Held(path.name, state.st_size, max(now - state.st_mtime, 0.0)))
        return sorted(found, key=lambda held: -held.size_bytes)

    def clear(self) -> int:
        """Removes all files but those that are being written; trainings that run keep theirs.

        Returns:
            How many bytes were freed.
        """
        if not self.path.is_dir():
            return 0
        before = sum(held.size_bytes for held in self.held())
        with self._locked():
            self._sweep()
            for path in self._ours(SUFFIX):
                path.unlink(missing_ok=True)
        return before - sum(held.size_bytes for held in self.held())

    def _ours(self, suffix: str) -> list[Path]:
        return [path for path in self.path.glob(f"*{suffix}") if OURS.search(path.name)]

    def _place(self, entry: Entry) -> Path:
        return self.path / f"{entry.name}{SUFFIX}"

    def _partial(self, entry: Entry) -> Path:
        return self.path / f"{entry.name}{PARTIAL}"

    def _make_folder(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise CacheError(
                f"{self.path} is a file: name a folder in its place ({self.flags[1]})"
            ) from error

    def _remove_damaged(self, place: Path, reason: str) -> None:
        logging.getLogger("hintlite").warning("%s is damaged (%s): made again", place, reason)
        place.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Holds the folder's own lock, for as long as it takes to count files."""
        with (self.path / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _claimed(self, entry: Entry) -> Iterator[BinaryIO | None]:
        """The partial file, locked for this process; None once the array is there."""
        partial = self._partial(entry)
        while True:
            with os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT, 0o644), "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # waits for another process that writes it
                ours = _is_at(file, partial)
                if self.open(entry) is not None:
                    if ours:
                        partial.unlink()
                    yield None
                    return
                if ours:
                    yield file
                    return
            # It was renamed or removed while we waited for it.

    def _reserve(self, entry: Entry, file: BinaryIO, todo: Sequence[Entry], spare: int) -> None:
        """Takes the room for an array; refuses if what is to come would not fit with it."""
        with self._locked():
            file.truncate(0)
            own = self._partial(entry)
            self._sweep(own, begun=False)
            needed = entry.size_bytes + sum(
                other.size_bytes
                for other in todo
                if not self._place(other).exists() and not self._partial(other).exists()
            )
            if self._lacks_room(entry, needed):
                self._sweep(own)  # what is begun goes before a run does
            if problem := self._lacks_room(entry, needed):
                raise CacheError(problem)
            os.posix_fallocate(file.fileno(), 0, entry.size_bytes + spare)

    def _lacks_room(self, entry: Entry, needed: int) -> str | None:
        """Why so many bytes more are too many, and what to do; None where they are not."""
        held = sum(held.size_bytes for held in self.held())
        budget, place = self.flags
        if needed + held > self.budget_gb * GB:
            least = (needed + held) / GB
            study = "; of a study, in its base" if "." in budget else ""
            return (
                f"{entry.what} take {gigabytes(needed)}, {self.path} holds "
                f"{gigabytes(held)} already, and {budget[2:]} allows {self.budget_gb:g} GB: "
                f"raise it ({budget} {least + 0.1:.1f}{study}), empty "
                f"the folder (`hintlite cache {self.path} --clear`), or {entry.otherwise}"
            )
        free = shutil.disk_usage(self.path).free
        if needed > free:
            return (
                f"{entry.what} take {gigabytes(needed)} and the disk of {self.path} has "
                f"{gigabytes(free)} left: free some space, name a folder on another disk "
                f"({place}), or {entry.otherwise}"
            )
        return None

    def _sweep(self, but: Path | None = None, begun: bool = True) -> None:
        """Removes what killed processes have left half-written: nobody holds a lock on it.

        Args:
            but: stays.
            begun: remove those too that another run can go on with.
        """
        for path in self._ours(PARTIAL):
            if path == but:
                continue
            with contextlib.suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(file, path) and (begun or not is_resumable(file)):
                    path.unlink()


def gigabytes(size_bytes: int) -> str:
    """A size in GB of 10^9 bytes, or in MB or kB where it is small."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.2f} {unit}"
    return f"{size_bytes / 1e3:.1f} kB"


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether the path still leads to this open file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _sync_folder(path: Path) -> None:
    """Brings the renaming to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
