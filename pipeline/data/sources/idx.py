"""The idx file format of MNIST and Fashion-MNIST (LeCun, Cortes & Burges, "THE MNIST DATABASE").

Two zero bytes, a type byte (8 = unsigned byte), the number of dimensions, the dimensions as
big-endian 32-bit numbers, the values. Usually compressed with gzip.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from hintlite.errors import DataError

UNSIGNED_BYTE = 8
PARTS = {"training": "train", "test": "t10k"}


def read_idx(path: Path) -> np.ndarray:
    """Reads one idx file of unsigned bytes, compressed or not.

    Returns:
        uint8, with the shape that the file states.

    Raises:
        DataError: not an idx file, or one that was cut short.
    """
    raw = _content(path)
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] != UNSIGNED_BYTE:
        raise DataError(f"{path}: not an idx file of unsigned bytes; fetch it again")
    start = 4 + 4 * raw[3]
    shape = [int.from_bytes(raw[at : at + 4], "big") for at in range(4, start, 4)]
    if len(raw) - start != math.prod(shape):
        raise DataError(
            f"{path}: states {shape} values but holds {max(len(raw) - start, 0)} bytes of them; it "
            "was cut short or damaged, so fetch it again"
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def _content(path: Path) -> bytes:
    """The bytes of the file, decompressed where its name ends in .gz."""
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}); fetch it again") from error


def idx_files(folder: Path, part: str) -> tuple[Path, Path] | None:
    """The image file and the label file of "training" or "test", where the folder has both."""
    stems = (f"{PARTS[part]}-images-idx3-ubyte", f"{PARTS[part]}-labels-idx1-ubyte")
    for ending in (".gz", ""):
        images, labels = (folder / (stem + ending) for stem in stems)
        if images.is_file() and labels.is_file():
            return images, labels
    return None


def read_pair(images: Path, labels: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads images [n, h, w] and labels [n] of one part."""
    return read_idx(images), read_idx(labels)
