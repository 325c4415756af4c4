"""What samples must be like.

Every message names the place (a file, a folder, a data set), the row or class, and what to do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from hintlite.errors import DataError


def check_images(images: np.ndarray, place: str) -> np.ndarray:
    """Brings raw images into the one form that the rest of the package knows.

    Args:
        images: [n, h, w] or [n, h, w, c], uint8 or floating point.
        place: where they come from, for the message.

    Returns:
        [n, h, w, c], uint8 or float32.

    Raises:
        DataError: other shapes or types, no samples, NaN or infinite values.
    """
    _refuse_objects(images, place)
    if images.ndim == 3:
        images = images[..., np.newaxis]
    _check_shape(images, place)
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f":
        raise DataError(
            f"{place}: images are {images.dtype}, expected uint8 (0 to 255) or floating point; "
            "save them with .astype('uint8') or .astype('float32')"
        )
    with np.errstate(over="ignore"):
        images = images.astype(np.float32, copy=False)
    _check_finite(images, place)
    return images


def _refuse_objects(array: np.ndarray, place: str) -> None:
    if array.dtype.hasobject:
        raise DataError(
            f"{place}: the array holds Python objects (lists of different lengths?), expected "
            "numbers; give every sample one shape and save np.stack(samples)"
        )


def _check_shape(images: np.ndarray, place: str) -> None:
    shape = list(images.shape)
    if images.ndim != 4:
        raise DataError(
            f"{place}: images have shape {shape}, expected [n, h, w] or [n, h, w, c]; "
            "reshape them before saving"
        )
    if images.size == 0:
        raise DataError(f"{place}: images have shape {shape}, so there is not one value; add some")
    if shape[1] in (1, 3) and shape[2] == shape[3] > 4:
        raise DataError(
            f"{place}: images have shape {shape}, which looks like channels first; expected "
            "[n, h, w, c]: save np.moveaxis(x, 1, -1)"
        )


def _check_finite(images: np.ndarray, place: str) -> None:
    bad = ~np.isfinite(images).all(axis=(1, 2, 3))
    if bad.any():
        raise DataError(
            f"{place}: row {int(bad.argmax())} of the images holds NaN or a value beyond float32 "
            f"({int(bad.sum())} such rows); leave these rows out or repair them"
        )


def check_labels(labels: np.ndarray, count: int, place: str) -> np.ndarray:
    """Brings labels into the form int64 [n].

    Args:
        labels: [n] or [n, 1], whole numbers.
        count: the number of images that they belong to.
        place: where they come from, for the message.

    Raises:
        DataError: one-hot, fractional or textual labels, negative ones, another length.
    """
    _refuse_objects(labels, place)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(
            f"{place}: labels have shape {list(labels.shape)}, expected one whole number a sample, "
            "[n]; turn one-hot labels into numbers with y.argmax(axis=-1)"
        )
    if labels.dtype.kind not in "iub":
        raise DataError(
            f"{place}: labels are {labels.dtype}, expected whole numbers from 0; save them with "
            ".astype('int64'), names as numbers plus class_names"
        )
    if len(labels) != count:
        raise DataError(
            f"{place}: {count} images but {len(labels)} labels; every image needs exactly one"
        )
    labels = labels.astype(np.int64)
    if (labels < 0).any():
        row = int((labels < 0).argmax())
        raise DataError(f"{place}: label {labels[row]} in row {row}; count classes from 0")
    return labels


def check_class_names(names: Sequence[str], place: str) -> tuple[str, ...]:
    """Refuses names that are empty, double or longer than a line (labels.txt has one a line)."""
    named = tuple(str(name) for name in names)
    for name, times in Counter(named).items():
        if times > 1:
            raise DataError(f"{place}: {times} classes are named {name!r}; give each its own name")
        if not name.strip() or len(name.splitlines()) > 1:
            raise DataError(f"{place}: {name!r} cannot name a class; use one line of text")
    return named


def check_range(labels: np.ndarray, names: Sequence[str], place: str) -> None:
    """Refuses labels that no class name belongs to."""
    beyond = labels >= len(names)
    if beyond.any():
        row = int(beyond.argmax())
        raise DataError(
            f"{place}: label {labels[row]} in row {row}, but the {len(names)} classes are numbered "
            f"0 to {len(names) - 1}; correct the label or name the class"
        )


def check_enough(
    labels: np.ndarray, names: Sequence[str], parts: Sequence[str], place: str
) -> None:
    """Refuses fewer than two classes, and classes too small to be in every part.

    Args:
        labels: int64 [n], each with a name.
        names: the classes.
        parts: what the samples are divided into, such as ("train", "validation", "test").
        place: where the samples come from, for the message.
    """
    if len(names) < 2:
        raise DataError(
            f"{place}: only one class ({', '.join(names)}); a classifier needs two or more, so add "
            "samples of another class"
        )
    counts = np.bincount(labels, minlength=len(names))
    small = int(counts.argmin())
    if counts[small] < len(parts):
        raise DataError(
            f"{place}: class {names[small]!r} (label {small}) has {counts[small]} samples, "
            f"expected {len(parts)} or more, one each for {', '.join(parts)}; add samples, or "
            "leave the class out and number the others from 0 without gaps"
        )
