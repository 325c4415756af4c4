"""Samples that are copies of others: in two parts they make a figure better than it is."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

SIZE = 16  # bytes of a hash


def digests(images: np.ndarray) -> list[bytes]:
    """A hash of each image: equal where type and values are.

    Args:
        images: [n, ...].
    """
    whole = np.ascontiguousarray(images)
    return [hashlib.blake2b(image.data, digest_size=SIZE).digest() for image in whole]


def write_digests(images: np.ndarray, path: Path) -> None:
    """Keeps the hashes of images, 16 bytes each, so that copies are found where they are not."""
    marks = np.frombuffer(b"".join(digests(images)), np.uint8).reshape(-1, SIZE)
    np.save(path, marks, allow_pickle=False)


def are_copies(images: np.ndarray, path: Path) -> np.ndarray:
    """Which of the images are among those whose hashes were kept.

    Args:
        images: [n, ...].
        path: from `write_digests`.

    Returns:
        bool [n].
    """
    known = {mark.tobytes() for mark in np.load(path, allow_pickle=False)}
    return np.array([digest in known for digest in digests(images)], np.bool_)


def remarks(
    images: np.ndarray, labels: np.ndarray, train: np.ndarray, validation: np.ndarray
) -> tuple[str, ...]:
    """What is to be said of copies among the samples to train on and to validate on.

    Args:
        images: [n, h, w, c].
        labels: int64 [n].
        train: rows.
        validation: rows.
    """
    marks = digests(images)
    if len(set(marks)) == len(marks):
        return ()
    trained = {marks[row] for row in train}
    shared = sum(marks[row] in trained for row in validation)
    said = []
    if shared:
        said.append(
            f"copies: {shared} of the {len(validation)} validation samples are in the training "
            "part too (equal in every value): what is chosen on them favours networks that learn "
            "by heart"
        )
    classes: dict[bytes, set[int]] = {}
    for mark, label in zip(marks, labels.tolist(), strict=True):
        classes.setdefault(mark, set()).add(label)
    torn = sum(len(found) > 1 for found in classes.values())
    if torn:
        said.append(f"copies: {torn} images come with several labels: at most one can be right")
    return tuple(said)
