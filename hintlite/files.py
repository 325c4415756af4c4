"""Writing a file, or a folder of files, whole or not at all.

What is not complete has a hidden name of its own, so that processes that write the same thing at
the same time do not meet: the last one to finish wins.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_ASIDE = ".*.tmp*"  # matches what `aside` gives out
_TOKEN_BYTES = 4


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A place to write a file to, which is renamed to its own at the end, or removed on failure.

    Args:
        path: the file's own place, in a folder that is there; the place ends as its name does.
    """
    place = _beside(path)
    try:
        yield place
        os.replace(place, path)
    except BaseException:
        place.unlink(missing_ok=True)
        raise


@contextmanager
def folder_aside(path: Path) -> Iterator[Path]:
    """A new folder to fill, which is renamed to its own place at the end, or removed on failure.

    Args:
        path: the folder's own place, where there is nothing then, or an empty folder.
    """
    place = _beside(path)
    place.mkdir(parents=True)
    try:
        yield place
        os.replace(place, path)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which appears under its name at the end, on the disk, or not at all.

    Args:
        path: its folder is made if need be; a file that is there stays where writing fails.

    Raises:
        OSError: the disk is full, or the place is not writable.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with aside(path) as place, place.open("wb") as file:
        yield file
        _sync(file)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that it is there whole or not at all, text in UTF-8.

    Args, Raises: see `writing`.
    """
    with writing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def sweep(folder: Path) -> None:
    """Remove what killed processes left of files that they were writing.

    Args:
        folder: no other process writes in it or below it.
    """
    for path in folder.rglob(_ASIDE):
        path.unlink(missing_ok=True)


def replace_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write all files into a folder beside the target, then rename it to the target.

    A folder cannot be renamed to one that holds files, so that there is a moment without a target.
    Of a process that was killed just then, the old folder is put back by the next call.

    Args:
        target: replaced with all that is in it; stays as it was where writing fails.
        files: plain file name -> content.

    Raises:
        OSError: the disk is full, or the place is not writable.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone_in(target.parent):
        _recover(target)
        _replace(target, files)


def _replace(target: Path, files: Mapping[str, bytes]) -> None:
    token = secrets.token_hex(_TOKEN_BYTES)
    fresh, old = (target.with_name(f".{target.name}.{kind}-{token}") for kind in ("new", "old"))
    fresh.mkdir()
    try:
        for name, content in files.items():
            _write(fresh / name, content)
        _sync_folder(fresh)
        if target.exists():
            os.replace(target, old)
        os.replace(fresh, target)
        _sync_folder(target.parent)
    except BaseException:
        if old.exists() and not target.exists():
            os.replace(old, target)
        raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _recover(target: Path) -> None:
    """Puts an old target back that has no new one, and removes what else was left of it."""
    olds = _left(target, "old")
    if not target.exists():
        if len(olds) > 1:
            return  # which of them was the last one is not known: none is removed
        for old in olds:
            os.replace(old, target)
        olds = []
    for leftover in [*olds, *_left(target, "new")]:
        shutil.rmtree(leftover, ignore_errors=True)


def _left(target: Path, kind: str) -> list[Path]:
    name = re.compile(rf"\.{re.escape(target.name)}\.{kind}-[0-9a-f]{{{2 * _TOKEN_BYTES}}}")
    return [path for path in target.parent.iterdir() if name.fullmatch(path.name)]


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Waits until no other process replaces a folder in this one; the kernel ends it at a kill.

    Where a file system has no such locks, two processes must not replace one folder at a time.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _beside(path: Path) -> Path:
    token = f"{os.getpid()}-{secrets.token_hex(_TOKEN_BYTES)}"
    return path.with_name(f".{path.stem}.{token}.tmp{path.suffix}")


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        _sync(file)


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Makes renames in a folder last; not every file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
