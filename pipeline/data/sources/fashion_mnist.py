"""Fashion-MNIST (Xiao, Rasul & Vollgraf, arXiv 1708.07747): 70,000 pictures of clothes, 28x28."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from hintlite.pipeline.data.sources.arrays import pool_of_arrays
from hintlite.pipeline.data.sources.idx import PARTS, idx_files, read_pair
from hintlite.pipeline.data.sources.keras_cache import Download, cache_folder, locate, own_folder
from hintlite.pipeline.data.sources.source import Pool
from hintlite.pipeline.settings.data import DataConfig

TITLE = "Fashion-MNIST"
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
# Debian's package dataset-fashion-mnist.
SYSTEM_FOLDER = Path("/usr/share/datasets/fashion-mnist")
ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"


def open_fashion_mnist(config: DataConfig) -> Pool:
    """Offers the 60,000 training pictures; the test files stay closed until they are read."""
    images, labels = _read(config.path, "training")
    return pool_of_arrays(
        images, labels, TITLE, CLASSES, read_test=partial(_read, config.path, "test")
    )


def _read(path: str | None, part: str) -> tuple[np.ndarray, np.ndarray]:
    look = partial(idx_files, part=part)
    if path is not None:
        return read_pair(*own_folder(path, look, f"{PARTS[part]}-*-ubyte.gz files", TITLE))
    folders = (SYSTEM_FOLDER, cache_folder() / "fashion-mnist")
    return read_pair(*locate(look, folders, _downloads(part), TITLE))


def _downloads(part: str) -> list[Download]:
    names = (f"{PARTS[part]}-images-idx3-ubyte.gz", f"{PARTS[part]}-labels-idx1-ubyte.gz")
    return [Download(name, ORIGIN + name, folder="fashion-mnist") for name in names]
