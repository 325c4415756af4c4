"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 60,000 colour pictures, 32x32.

The "python version" archives: pickled dicts with data [n, 3072] (channels first) and a list of
labels. They are unpickled by a reader that can build numpy arrays and nothing else.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.sources.arrays import pool_of_arrays
from hintlite.pipeline.data.sources.keras_cache import Download, cache_folder, locate, own_folder
from hintlite.pipeline.data.sources.source import Pool
from hintlite.pipeline.settings.data import DataConfig


@dataclass(frozen=True)
class Archive:
    """Where the parts of one of the two archives stand."""

    title: str
    folder: str
    training: tuple[str, ...]
    test: str
    names: str
    labels_key: bytes
    names_key: bytes
    download: Download


CIFAR10 = Archive(
    title="CIFAR-10",
    folder="cifar-10-batches-py",
    training=tuple(f"data_batch_{number}" for number in range(1, 6)),
    test="test_batch",
    names="batches.meta",
    labels_key=b"labels",
    names_key=b"label_names",
    download=Download(
        "cifar-10-batches-py-target",
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        extract=True,
    ),
)
CIFAR100 = Archive(
    title="CIFAR-100",
    folder="cifar-100-python",
    training=("train",),
    test="test",
    names="meta",
    labels_key=b"fine_labels",
    names_key=b"fine_label_names",
    download=Download(
        "cifar-100-python-target",
        "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
        extract=True,
    ),
)


def open_cifar(archive: Archive, config: DataConfig) -> Pool:
    """Offers the training batches of an archive; its test batch stays closed until it is read."""
    folder = _find(archive, config.path)
    names = [name.decode() for name in _value(folder / archive.names, archive.names_key)]
    images, labels = _read(archive, folder, archive.training)
    return pool_of_arrays(
        images,
        labels,
        archive.title,
        names,
        read_test=partial(_read, archive, folder, (archive.test,)),
    )


def _find(archive: Archive, path: str | None) -> Path:
    """The folder with the batches; only whether its files are there is looked at."""
    look = partial(_look, archive)
    if path is not None:
        wanted = f"files {', '.join((archive.names, *archive.training, archive.test))}"
        return own_folder(path, look, wanted, archive.title)
    cache = cache_folder()
    folders = (cache / archive.download.name, cache)
    return locate(look, folders, [archive.download], archive.title)


def _look(archive: Archive, folder: Path) -> Path | None:
    for candidate in (folder / archive.folder, folder):
        names = (archive.names, *archive.training, archive.test)
        if all((candidate / name).is_file() for name in names):
            return candidate
    return None


def _read(archive: Archive, folder: Path, files: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Reads batches as uint8 [n, 32, 32, 3] and labels [n]."""
    batches = [_batch(folder / name, archive.labels_key) for name in files]
    return (
        np.concatenate([images for images, _ in batches]),
        np.concatenate([labels for _, labels in batches]),
    )


def _batch(path: Path, labels_key: bytes) -> tuple[np.ndarray, np.ndarray]:
    data, labels = _value(path, b"data"), np.asarray(_value(path, labels_key))
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (3072,):
        raise DataError(f"{path}: expected uint8 data [n, 3072]; fetch the archive again")
    if len(labels) != len(data):
        raise DataError(
            f"{path}: {len(data)} images but {len(labels)} labels; fetch the archive again"
        )
    return np.ascontiguousarray(data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), labels


def _value(path: Path, key: bytes) -> Any:
    try:
        with path.open("rb") as file:
            return _ArraysOnly(file, encoding="bytes").load()[key]
    except (OSError, pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: not a batch of the archive ({error}); delete it and fetch the archive again"
        ) from error


class _ArraysOnly(pickle.Unpickler):
    """Builds numpy arrays and refuses everything else: an archive may have been tampered with."""

    def find_class(self, module: str, name: str) -> Any:
        """Resolves the three names that an array's pickle consists of."""
        if module == "numpy" and name in ("ndarray", "dtype"):
            return super().find_class(module, name)
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return super().find_class("numpy._core.multiarray", name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")
