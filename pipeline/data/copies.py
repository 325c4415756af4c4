"""SampleArray that are copies of others: in two parts they make a figure better than it is."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from hintlite.pipeline.data.rows import SampleArray, chunks

SIZE = 16  # bytes of a hash


def digests(images: SampleArray) -> np.ndarray:
    """A hash of each image: equal where type and values are.

    Args:
        images: [n, ...].

    Returns:
        [n], SIZE bytes each.
    """
    marks = np.empty(len(images), f"V{SIZE}")
    places = iter(range(len(images)))
    for chunk in chunks(images):
        for image in np.ascontiguousarray(chunk):
            marks[next(places)] = hashlib.blake2b(image.data, digest_size=SIZE).digest()
    return marks


def write_digests(images: SampleArray, path: Path) -> None:
    """Keeps the hashes of images, 16 bytes each, so that copies are found where they are not."""
    marks = digests(images).view(np.uint8).reshape(-1, SIZE)
    np.save(path, marks, allow_pickle=False)


def are_copies(images: SampleArray, path: Path) -> np.ndarray:
    """Which of the images are among those whose hashes were kept.

    Args:
        images: [n, ...].
        path: from `write_digests`.

    Returns:
        bool [n].
    """
    known = np.load(path, allow_pickle=False).view(f"V{SIZE}")[:, 0]
    return np.isin(digests(images), known)


def remarks(
    images: SampleArray, labels: np.ndarray, train: np.ndarray, validation: np.ndarray
) -> tuple[str, ...]:
    """What is to be said of copies among the samples to train on and to validate on.

    Args:
        images: [n, ...].
        labels: int64 [n].
        train: rows.
        validation: rows.
    """
    marks = digests(images)
    _, different = np.unique(marks, return_inverse=True)
    images_seen = int(different.max()) + 1
    if images_seen == len(marks):
        return ()
    shared = int(np.isin(different[validation], different[train]).sum())
    said = []
    if shared:
        said.append(
            f"copies: {shared} of the {len(validation)} validation samples are in the training "
            "part too (equal in every value): what is chosen on them favours networks that learn "
            "by heart"
        )
    labelled = np.unique(np.stack([different, labels], axis=1), axis=0)[:, 0]
    torn = int((np.bincount(labelled, minlength=images_seen) > 1).sum())
    if torn:
        said.append(f"copies: {torn} images come with several labels: at most one can be right")
    return tuple(said)
