"""Which source a name means."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hintlite.errors import DataError
from hintlite.pipeline.data.disk import Disk
from hintlite.pipeline.data.sources.cifar import CIFAR10, CIFAR100, open_cifar
from hintlite.pipeline.data.sources.digits import open_digits
from hintlite.pipeline.data.sources.fashion_mnist import open_fashion_mnist
from hintlite.pipeline.data.sources.folder import open_folder
from hintlite.pipeline.data.sources.hapt import open_hapt
from hintlite.pipeline.data.sources.mnist import open_mnist
from hintlite.pipeline.data.sources.npz import open_npz
from hintlite.pipeline.data.sources.recordings import open_recordings
from hintlite.pipeline.data.sources.source import Opener, Pool, Source
from hintlite.pipeline.data.sources.tfrecord import open_tfrecord
from hintlite.pipeline.data.sources.ucr import open_ucr
from hintlite.pipeline.settings.data import FROM_PYTHON, DataConfig


def _only_from_python(config: DataConfig) -> Pool:
    raise DataError(
        f"data.source {config.source!r} stands for samples that a Python program hands in: the "
        "command takes a folder, an .npz file or a data set by name"
    )


SOURCES: dict[str, Opener] = {
    "digits": open_digits,
    "fashion_mnist": open_fashion_mnist,
    "mnist": open_mnist,
    "cifar10": partial(open_cifar, CIFAR10),
    "cifar100": partial(open_cifar, CIFAR100),
    "folder": open_folder,
    "npz": open_npz,
    "recordings": open_recordings,
    "ucr": open_ucr,
    "hapt": open_hapt,
    "tfrecord": open_tfrecord,
    FROM_PYTHON: _only_from_python,
}


# Sources that may hold more than fits into memory.
STREAMED: dict[str, Callable[[DataConfig, Disk | None], Pool]] = {
    "folder": open_folder,
    "npz": open_npz,
    "tfrecord": open_tfrecord,
    "recordings": open_recordings,
}


def open_source(config: DataConfig, source: Source | None = None, disk: Disk | None = None) -> Pool:
    """Opens the caller's own source, or else the one that the settings name.

    Args:
        config: the settings.
        source: the caller's own.
        disk: where samples are kept that are too many for memory; None reads all into memory.

    Raises:
        DataError: whatever keeps the samples from being used.
    """
    if source is not None:
        return source.open(config)
    if config.source in STREAMED:
        return STREAMED[config.source](config, disk)
    return SOURCES[config.source](config)
