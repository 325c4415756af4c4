"""Samples that are copies of others: in two parts they make a figure better than it is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np


def digests(images: np.ndarray) -> list[bytes]:
    """A hash of each image: equal where type and values are.

    Args:
        images: [n, ...].
    """
    whole = np.ascontiguousarray(images)
    return [hashlib.blake2b(image.data, digest_size=16).digest() for image in whole]


def copies(images: np.ndarray, of: Sequence[np.ndarray]) -> int:
    """How many of the images are in one of the other arrays too.

    Args:
        images: [n, ...].
        of: arrays of such images.
    """
    known = {digest for others in of for digest in digests(others)}
    return sum(digest in known for digest in digests(images))


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
