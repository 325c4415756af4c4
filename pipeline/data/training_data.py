"""What the stages before the evaluation see of a data set: everything but its test part."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hintlite.pipeline.data.normalization import Normalization
from hintlite.pipeline.data.rows import LazyRows, SampleArray, chunks, lazy
from hintlite.pipeline.data.sources.source import Shape
from hintlite.pipeline.data.splits import Splits
from hintlite.pipeline.data.value_range import ValueRange


@dataclass(frozen=True, eq=False)
class KeptData:
    """What a run keeps of its raw samples; indices are rows of `images` unless said otherwise.

    Args:
        images: raw samples, uint8 or float32, none of the test part: pictures [n, h, w, c], series
            [n, time, c] or the rows of a table [n, c].
        labels: int64 [n].
        class_names: one a label value.
        validation: int64, sorted.
        calibration: int64, sorted.
        normalization: from raw values to a network's input.
        raw_max: the raw value of full brightness; None for floating point.
        source_rows: int64 [n], where each image stands in its source.
        test_rows: int64, rows of the source kept for the evaluation; empty where the source has
            a test set of its own.
        fingerprint: sha256 of the images and labels of both parts, and of the class names.
    """

    images: SampleArray
    labels: np.ndarray
    class_names: tuple[str, ...]
    validation: np.ndarray
    calibration: np.ndarray
    normalization: Normalization
    raw_max: float | None
    source_rows: np.ndarray
    test_rows: np.ndarray
    fingerprint: str

    @property
    def input_shape(self) -> Shape:
        """(h, w, c), (time, c) or (c,)."""
        return tuple(self.images.shape[1:])

    @property
    def raw_dtype(self) -> str:
        """The type of raw values: "uint8" or "float32"."""
        return str(self.images.dtype)

    def normalized(self, indices: np.ndarray) -> np.ndarray:
        """The samples of these rows as a network is fed them: float32 [len(indices), ...]."""
        return self.normalization.apply(self.images[indices])

    def fed(self, indices: np.ndarray) -> LazyRows:
        """The same for many samples: normalized when some of them are asked for."""
        return lazy(self.images, indices, self.normalization.apply)


@dataclass(frozen=True, eq=False)
class TrainingData(KeptData):
    """All train and validation samples, with their division.

    Args:
        train: int64, sorted; the calibration rows are among them.
        name: what the samples are called.
        values: what range the raw values have been taken for; None where nobody told.
        notes: what was understood of the samples, one line each, for the user.
    """

    train: np.ndarray
    name: str = ""
    values: ValueRange | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuses parts that overlap."""
        self.split_indices()

    def split_indices(self) -> Splits:
        """The division as rows of the source, for the run's folder."""
        return Splits(
            train=self.source_rows[self.train],
            validation=self.source_rows[self.validation],
            calibration=self.source_rows[self.calibration],
            test=self.test_rows,
        )


def fingerprint(images: SampleArray, labels: np.ndarray, class_names: Sequence[str]) -> str:
    """Sha256 of the content: values, types, shapes and class names."""
    digest = hashlib.sha256()
    for array in (images, labels):
        digest.update(f"{array.dtype.str} {array.shape}\n".encode())
        for chunk in chunks(array):
            digest.update(np.ascontiguousarray(chunk).data)
    digest.update("\n".join(class_names).encode())
    return digest.hexdigest()
