"""From raw values to what a network is fed: x = (raw - mean) / std, per channel.

The numbers are part of the model's contract and travel with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hintlite.errors import DataError

CHUNK = 1024  # images that are turned to float64 at a time


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
        """Normalises raw values [..., h, w, c] to float32."""
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
                f"normalization: images have {raw.shape[-1]} channels, expected {len(self.mean)}; "
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


def fit_normalization(
    kind: str, images: np.ndarray, raw_max: float | None, place: str
) -> Normalization:
    """Chooses the normalization of a data set from its training part.

    Args:
        kind: one of NORMALIZATIONS (pipeline/settings/data.py). "unit": raw / raw_max, or
            (raw - min) / (max - min) of the training part where the raw values have no maximum of
            their own; "standard": mean 0 and deviation 1 of each channel of the training part (a
            constant channel is only moved to 0); "signed": raw / (raw_max / 2) - 1; "raw": the
            values as they are.
        images: the training part, raw [n, h, w, c].
        raw_max: the raw value of full brightness; None for floating point.
        place: where the images come from, for messages.

    Returns:
        The normalization.

    Raises:
        DataError: all values of the training part are the same; "signed" for values without a
            maximum of their own.
    """
    low, high = float(images.min()), float(images.max())
    if low == high:
        raise DataError(
            f"{place}: every value of the training images is {low:g}, so there is nothing to "
            "learn from; check how they were written"
        )
    if kind == "standard":
        return _standard(images)
    channels = images.shape[-1]
    if kind == "raw":
        return Normalization((0.0,) * channels, (1.0,) * channels)
    if kind == "signed":
        half = (_half(raw_max, place),) * channels
        return Normalization(half, half)
    if raw_max is not None:
        low, high = 0.0, raw_max
    return Normalization((low,) * channels, (high - low,) * channels)


def _half(raw_max: float | None, place: str) -> float:
    if raw_max is None:
        raise DataError(
            f"{place}: the normalization 'signed' needs whole numbers from 0 to 255; these are "
            "floating point: scale them to -1..1 in the file and take the normalization 'raw'"
        )
    return raw_max / 2


def _standard(images: np.ndarray) -> Normalization:
    """Mean and deviation of each channel, in two passes: exact for large offsets too."""
    count = images.size // images.shape[-1]
    mean = np.sum([chunk.sum(axis=(0, 1, 2)) for chunk in _chunks(images)], axis=0) / count
    squares = [np.square(chunk - mean).sum(axis=(0, 1, 2)) for chunk in _chunks(images)]
    std = np.sqrt(np.sum(squares, axis=0) / count)
    return Normalization(
        tuple(float(value) for value in mean),
        tuple(float(value) if value > 0 else 1.0 for value in std),
    )


def _chunks(images: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(images), CHUNK):
        yield images[start : start + CHUNK].astype(np.float64)
