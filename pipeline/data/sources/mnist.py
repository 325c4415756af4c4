"""MNIST (LeCun, Cortes & Burges): 70,000 handwritten digits, 28x28."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from hintlite.pipeline.data.npz_file import read_members
from hintlite.pipeline.data.sources.arrays import pool_of_arrays
from hintlite.pipeline.data.sources.idx import idx_files, read_pair
from hintlite.pipeline.data.sources.keras_cache import Download, cache_folder, locate, own_folder
from hintlite.pipeline.data.sources.source import Pool
from hintlite.pipeline.settings.data import DataConfig

TITLE = "MNIST"
FILE = "mnist.npz"
MEMBERS = {"training": ("x_train", "y_train"), "test": ("x_test", "y_test")}
DOWNLOAD = Download(
    FILE,
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
)


def open_mnist(config: DataConfig) -> Pool:
    """Offers the 60,000 training digits; of mnist.npz only the training members are read."""
    images, labels = _read(config.path, "training")
    return pool_of_arrays(
        images,
        labels,
        TITLE,
        [str(digit) for digit in range(10)],
        read_test=partial(_read, config.path, "test"),
    )


def _read(path: str | None, part: str) -> tuple[np.ndarray, np.ndarray]:
    look = partial(_look, part=part)
    if path is not None:
        files = own_folder(path, look, f"{FILE} and no idx files of the {part} part", TITLE)
    else:
        files = locate(look, [cache_folder()], [DOWNLOAD], TITLE)
    return read_pair(*files) if len(files) == 2 else read_members(files[0], MEMBERS[part])


def _look(folder: Path, part: str) -> tuple[Path, ...] | None:
    """The combined file, named itself or in the folder, or else the two idx files."""
    for file in (folder, folder / FILE):
        if file.name == FILE and file.is_file():
            return (file,)
    return idx_files(folder, part)
