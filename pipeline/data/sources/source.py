"""What a source offers: a Pool, which reads images when asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from hintlite.pipeline.data.rows import SampleArray
from hintlite.pipeline.settings.data import DataConfig

Shape: TypeAlias = tuple[int, ...]
Notes: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Labelled:
    """Raw samples with their labels.

    Args:
        images: [n, h, w, c], [n, time, c] or [n, c], uint8 or float32.
        labels: int64 [n].
        rows: int64 [n], their places in the source.
    """

    images: SampleArray
    labels: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True, eq=False)
class Pool:
    """The samples that a source offers; no image of its own test set has been opened.

    Args:
        name: of the samples, to be shown: the data set's, the file's, or what the user calls them.
        place: the file, folder or data set, for messages.
        labels: int64 [n], of the training part, or of all samples where there is no test part.
        class_names: one a label value.
        read: (rows, shape) -> raw samples of these rows [len(rows), ...], and what is to be
            said of them. The shape is None for the first reading; folders resize to it.
        raw_max: the raw value of full brightness, 255 for uint8 pictures; None for floating
            point, whose range only the samples tell.
        read_test: shape -> the source's own test samples; None where a part must be split off.
        notes: what was understood of the samples, one line each.
        validation: int64, sorted, the rows that are kept for choices, where the source says which;
            a share is drawn otherwise.
        groups: [n], samples of one group (a person, a machine) never go to different parts.
    """

    name: str
    place: str
    labels: np.ndarray
    class_names: tuple[str, ...]
    read: Callable[[np.ndarray, Shape | None], tuple[SampleArray, Notes]]
    raw_max: float | None
    read_test: Callable[[Shape], Labelled] | None = None
    notes: Notes = ()
    validation: np.ndarray | None = None
    groups: np.ndarray | None = None


Opener: TypeAlias = Callable[[DataConfig], Pool]


@dataclass(frozen=True, eq=False)
class Source:
    """SampleArray that a Python program hands in, from `from_arrays` or `from_tf_dataset`.

    Args:
        name: what the user calls them.
        open: settings -> the samples.
    """

    name: str
    open: Opener
