"""From raw values to what a network is fed: x = (raw - mean) / std, per channel.

The numbers are part of the model's contract and travel with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.rows import SampleArray, at_once, chunks, extremes
from hintlite.pipeline.settings.data import NormalizationKind

# SampleArray that are turned to float64 at a time: so many, but no more than so many bytes.
CHUNK, CHUNK_BYTES = 1024, 2**26


@dataclass(frozen=True)
class Normalization:
    """x = (raw - mean) / std.

    Args:
        mean: one a channel, in raw units.
        std: one a channel, in raw units, positive.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuses unequal lengths and divisors that are not positive."""
        if not self.mean or len(self.mean) != len(self.std):
            raise DataError(
                f"normalization: {len(self.mean)} means and {len(self.std)} deviations, expected "
                "one of each a channel"
            )
        if not np.isfinite((*self.mean, *self.std)).all() or min(self.std) <= 0:
            raise DataError(
                f"normalization: mean {self.mean} and std {self.std} must be finite, and std "
                "positive; look for extreme values in the data"
            )

    def apply(self, raw: np.ndarray) -> np.ndarray:
        """Normalises raw values [..., c] to float32."""
        self._check_channels(raw)
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        return (raw.astype(np.float32) - mean) / std

    def apply_tensor(self, raw: Any) -> Any:
        """The same on a tensor, for the batch pipeline."""
        import tensorflow as tf

        self._check_channels(raw)
        mean = tf.constant(self.mean, tf.float32)
        return (tf.cast(raw, tf.float32) - mean) / tf.constant(self.std, tf.float32)

    def _check_channels(self, raw: Any) -> None:
        if raw.shape[-1] != len(self.mean):
            raise DataError(
                f"normalization: samples have {raw.shape[-1]} channels, expected {len(self.mean)}; "
                "use the normalization of the same data"
            )

    def to_dict(self) -> dict[str, list[float]]:
        """The form that is written to JSON."""
        return {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Normalization:
        """Reads what to_dict returned; further keys are let be."""
        return cls(
            tuple(float(value) for value in stored["mean"]),
            tuple(float(value) for value in stored["std"]),
        )


GIVEN: Final = "given"  # what a mean and a deviation that were stated are called among the kinds


def given_normalization(
    mean: Sequence[float], std: Sequence[float], channels: int, names: str
) -> Normalization:
    """A normalization by numbers that somebody has stated.

    Args:
        mean, std: one number a channel, or one for all.
        channels: of the samples.
        names: of both settings, for the message.

    Raises:
        DataError: another number of them than channels.
    """
    if len(mean) not in (1, channels) or len(std) != len(mean):
        raise DataError(
            f"{names}: {len(mean)} and {len(std)} numbers, but the samples have {channels} "
            "channels: give one number each for every channel, or one for all"
        )
    few = channels if len(mean) == 1 else 1
    return Normalization(tuple(mean) * few, tuple(std) * few)


def fit_normalization(
    kind: NormalizationKind, images: SampleArray, taken: tuple[float, float] | None, place: str
) -> Normalization:
    """Chooses the normalization of a data set from its training part.

    Args:
        kind: "unit" and "signed" bring the range that the values are taken for to 0..1 and -1..1;
            where none is known, "unit" takes the lowest and the highest value of the training part.
            "standard": mean 0 and deviation 1 of each channel of the training part (a constant
            channel is only moved to 0). "raw": as they are.
        images: the training part, raw [n, ..., c].
        taken: the range that the raw values are taken for; None where none is known.
        place: where the images come from, for messages.

    Returns:
        The normalization.

    Raises:
        DataError: all values of the training part are the same, or "signed" without a known range.
    """
    low, high = extremes(images)
    if low == high:
        raise DataError(
            f"{place}: every value of the training images is {low:g}, so there is nothing to "
            "learn from; check how they were written"
        )
    if kind == "standard":
        return _standard(images)
    if kind == "raw":
        return _affine(0.0, 1.0, images)
    if kind == "unit":
        low, high = taken or (low, high)
        return _affine(low, high - low, images)
    if taken is None:
        raise DataError(
            f"{place}: values from {low:g} to {high:g} are in no range of pictures that "
            "data.normalization signed could bring to -1..1; state it as data.value_range, or take "
            "data.normalization raw where they are scaled already"
        )
    low, high = taken
    return _affine((low + high) / 2, (high - low) / 2, images)


def _affine(mean: float, std: float, images: SampleArray) -> Normalization:
    """The same numbers for every channel."""
    channels = images.shape[-1]
    return Normalization((mean,) * channels, (std,) * channels)


def _standard(images: SampleArray) -> Normalization:
    """Mean and deviation of each channel, in two passes: exact for large offsets too."""
    count = int(np.prod(images.shape[:-1], dtype=np.int64))
    axes = tuple(range(len(images.shape) - 1))
    mean = np.sum([chunk.sum(axis=axes) for chunk in _chunks(images)], axis=0) / count
    squares = [np.square(chunk - mean).sum(axis=axes) for chunk in _chunks(images)]
    std = np.sqrt(np.sum(squares, axis=0) / count)
    return Normalization(
        tuple(float(value) for value in mean),
        tuple(float(value) if value > 0 else 1.0 for value in std),
    )


def _chunks(images: SampleArray) -> Iterator[np.ndarray]:
    wide = np.dtype(np.float64)
    fit = at_once(images, CHUNK_BYTES * images.dtype.itemsize // wide.itemsize)
    for chunk in chunks(images, min(CHUNK, fit)):
        yield chunk.astype(wide)
