"""Files of the well-known data sets: from a folder of the user's, Keras' cache, or the network.

`keras.datasets.*.load_data()` always reads the test set as well, so the files are read here, one
by one, from where Keras keeps them. Addresses and hashes are those of keras.datasets (Keras 3.15).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hintlite.errors import FAILED, DataError

Found = TypeVar("Found")


class FetchError(DataError):
    """Files that are not here, and could not be fetched."""

    exit_code = FAILED


@dataclass(frozen=True)
class Download:
    """One file as `keras.utils.get_file` fetches it.

    Args:
        name: the name in the cache; for an archive the folder that it is extracted to.
        origin: the address.
        sha256: of the file; None where Keras knows none.
        folder: the folder within the cache.
        extract: whether it is an archive.
    """

    name: str
    origin: str
    sha256: str | None = None
    folder: str = ""
    extract: bool = False


def cache_folder() -> Path:
    """Where keras.datasets keeps its files: $KERAS_HOME/datasets, by default ~/.keras/datasets."""
    home = os.environ.get("KERAS_HOME") or os.path.join("~", ".keras")
    return Path(home).expanduser() / "datasets"


def locate(
    look: Callable[[Path], Found | None],
    folders: Sequence[Path],
    downloads: Sequence[Download],
    title: str,
) -> Found:
    """Looks for a data set's files where they may lie, and fetches them where they do not.

    Args:
        look: folder -> what it found there, or None.
        folders: the places to try, in order.
        downloads: what to fetch where no folder has them.
        title: the data set's name, for messages.

    Raises:
        DataError: not found and not to be had.
    """
    for folder in folders:
        found = look(folder)
        if found is not None:
            return found
    fetched = [_fetch(download, title) for download in downloads]
    for path in fetched:
        found = look(path if path.is_dir() else path.parent)
        if found is not None:
            return found
    raise FetchError(
        f"{title}: the downloaded {fetched[0]} lacks the files expected; delete it and run again"
    )


def own_folder(path: str, look: Callable[[Path], Found | None], wanted: str, title: str) -> Found:
    """The same in the folder that the user named, and nowhere else."""
    found = look(Path(path).expanduser())
    if found is None:
        raise DataError(
            f"{title}: data.path {path} has no {wanted}; name the folder that holds them, or leave "
            "data.path out"
        )
    return found


def _fetch(download: Download, title: str) -> Path:
    """Fetches one file into Keras' cache, with its hash checked."""
    import keras

    try:
        fetched = keras.utils.get_file(
            download.name,
            download.origin,
            file_hash=download.sha256,
            extract=download.extract,
            cache_dir=str(cache_folder().parent),
            cache_subdir=os.path.join("datasets", download.folder),
        )
    # get_file raises a bare Exception where the network fails.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        fetched = "extract it" if download.extract else "keep its name"
        raise FetchError(
            f"{title}: not in {cache_folder()}, and fetching {download.name} failed ({reason}); "
            f"fetch {download.origin} elsewhere, {fetched}, and set data.path to its folder"
        ) from error
    return Path(fetched)
