"""What classes must be like.

Every message names the place (a file, a folder, a data set), the row or class, and what to do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.rows import SampleArray


def refuse_objects(array: SampleArray, place: str) -> None:
    """Refuses arrays of Python objects, such as lists of different lengths."""
    if array.dtype.hasobject:
        raise DataError(
            f"{place}: the array holds Python objects (lists of different lengths?), expected "
            "numbers; give every sample one shape and save np.stack(samples)"
        )


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
    small = np.flatnonzero(counts < len(parts))
    if len(small):
        listed = ", ".join(
            f"{names[label]!r} (label {label}) has {counts[label]}" for label in small[:5]
        )
        more = f" and {len(small) - 5} more classes have too few" if len(small) > 5 else ""
        raise DataError(
            f"{place}: class {listed} samples{more}; expected {len(parts)} or more of each class, "
            f"one each for {', '.join(parts)}: add samples, or leave the class out (class numbers "
            "go on without gaps)"
        )
