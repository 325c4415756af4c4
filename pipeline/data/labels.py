"""Labels of the forms in which people keep them, as one class number a sample.

Taken: whole numbers [n] or [n, 1] of any type, one-hot rows [n, classes], text [n]. Everything
else is another task than telling classes apart, and is refused by its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.checks import refuse_objects

TASK = "hintlite trains classifiers, one class a sample"
SHOWN = 10  # class names listed in a line
MANY, FEW = 20, 50  # so many classes of so few samples might be a quantity


@dataclass(frozen=True, eq=False)
class Labels:
    """One class number a sample.

    Args:
        values: int64 [n], 0 or more.
        names: the classes that the labels name themselves, or number of columns; None for numbers.
        note: what was understood, where it needs saying.
    """

    values: np.ndarray
    names: tuple[str, ...] | None = None
    note: str | None = None


def read_labels(
    labels: np.ndarray, count: int, place: str, names: Sequence[str] | None = None
) -> Labels:
    """Reads labels of any of the forms above.

    Args:
        labels: [n], [n, 1] or [n, classes].
        count: the number of images that they belong to.
        place: where they come from, for the message.
        names: the classes, where they are known: text is looked up among them.

    Raises:
        DataError: quantities, several labels a sample, masks, another length, negative numbers.
    """
    if len(labels.shape) == 0 or len(labels) != count:
        given = len(labels) if labels.shape else "no list of"
        raise DataError(
            f"{place}: {count} images but {given} labels; every image needs exactly one"
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2:
        return _one_hot(labels, place, names)
    if labels.ndim != 1:
        raise DataError(
            f"{place}: labels have shape {list(labels.shape)}, expected one class a sample, [n]; "
            f"{TASK}: masks (a class a pixel) and other targets of that shape are not offered"
        )
    if is_text(labels):
        return _text(labels, place, names)
    refuse_objects(labels, place)
    return _numbers(labels, place, names)


def _numbers(labels: np.ndarray, place: str, names: Sequence[str] | None) -> Labels:
    if labels.dtype.kind not in "iubf":
        raise DataError(f"{place}: labels are {labels.dtype}, expected numbers or text")
    whole = _whole(labels, place) if labels.dtype.kind == "f" else labels
    values = whole.astype(np.int64)
    if (values < 0).any():
        row = int((values < 0).argmax())
        raise DataError(
            f"{place}: label {values[row]} in row {row}; classes are numbered from 0. Number them "
            "so, or save them as text, y.astype(str): the values are then the classes' names"
        )
    classes = len(np.unique(values))
    note = None
    if names is None and classes >= MANY and len(values) < FEW * classes:
        note = f"labels: taken for {classes} classes, not for a quantity"
    elif labels.dtype.kind == "f":
        note = f"labels: whole numbers as {labels.dtype}, taken for {classes} classes"
    return Labels(values, note=note)


def _whole(labels: np.ndarray, place: str) -> np.ndarray:
    fractional = labels != np.floor(labels)  # NaN is not equal to itself
    if fractional.any() or not np.isfinite(labels).all():
        row = int((fractional | ~np.isfinite(labels)).argmax())
        raise DataError(
            f"{place}: label {labels[row]:g} in row {row} is a quantity, not a class; {TASK}: "
            "predicting quantities (regression) is not offered"
        )
    return labels


def _one_hot(labels: np.ndarray, place: str, names: Sequence[str] | None) -> Labels:
    """Class numbers of rows that hold one 1 and zeros."""
    shown = f"{place}: labels have shape {list(labels.shape)}"
    refuse_objects(labels, place)
    if labels.dtype.kind not in "iubf":
        raise DataError(f"{shown} of {labels.dtype}, expected one class a sample, [n]")
    marked = labels == 1
    if not (marked | (labels == 0)).all():
        raise DataError(
            f"{shown} and other values than 0 and 1: quantities (regression) or soft labels; "
            f"{TASK}: both are not offered (soft targets come from the teacher alone)"
        )
    ones = marked.sum(axis=1)
    if (ones != 1).any():
        row = int((ones != 1).argmax())
        raise DataError(
            f"{shown}, with {ones[row]} ones in row {row}: several labels a sample, or none "
            f"(multi-label); {TASK}: independent labels are not offered. Each of the columns by "
            f"itself, y[:, 0], is a task of two classes"
        )
    columns = labels.shape[1]
    if names is not None and columns != len(names):
        raise DataError(f"{shown}, but there are {len(names)} classes; give a column for each")
    return Labels(
        marked.argmax(axis=1).astype(np.int64),
        tuple(str(column) for column in range(columns)),
        f"labels: one-hot rows, taken for {columns} classes",
    )


def is_text(labels: np.ndarray) -> bool:
    """Whether labels are names of classes."""
    if labels.dtype.kind in "US":
        return True
    return labels.dtype == object and all(isinstance(label, (str, bytes)) for label in labels)


def _text(labels: np.ndarray, place: str, names: Sequence[str] | None) -> Labels:
    """Class numbers of text: places in the names, or in the alphabet where there are none."""
    text = [
        label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)
        for label in labels.tolist()
    ]
    known = list(names) if names is not None else in_order(set(text))
    places = {name: place for place, name in enumerate(known)}
    unknown = next((row for row, label in enumerate(text) if label not in places), None)
    if unknown is not None:
        raise DataError(
            f"{place}: label {text[unknown]!r} in row {unknown} is none of the classes "
            f"{listed(known)}; correct it or name the class"
        )
    note = f"labels: text, {len(known)} classes: {listed(known)}"
    return Labels(
        np.array([places[label] for label in text], np.int64),
        tuple(known),
        note if names is None else None,
    )


def in_order(names: set[str]) -> list[str]:
    """Numbers by their value, everything else by the alphabet."""
    if all(name.isdecimal() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def numbered(values: np.ndarray, place: str) -> tuple[str, ...]:
    """The numbers themselves as names of classes.

    Raises:
        DataError: they are not 0, 1, 2, ... without gaps.
    """
    present = np.unique(values)
    gaps = np.flatnonzero(present != np.arange(len(present)))
    if len(gaps):
        seen = listed([str(value) for value in present])
        quantity = "; if they are a quantity: predicting it (regression) is not offered"
        raise DataError(
            f"{place}: labels are {seen}; no sample has {gaps[0]}, but classes are numbered from 0 "
            "without gaps. Save them as text, y.astype(str): the values are then the classes' names"
            + (quantity if len(present) >= MANY else "")
        )
    return tuple(str(value) for value in present)
