"""What range the raw values of images have: stated, known, or told from the values and said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.rows import SampleArray, chunks, extremes
from hintlite.pipeline.settings.data import NormalizationKind

BYTES = (0.0, 255.0)
PICTURES = ((0.0, 1.0), (-1.0, 1.0), BYTES)  # ranges in which floating-point pictures come
DARK = 32  # bytes that end below are rather no bytes 0..255
HINT = "data.value_range states another"


@dataclass(frozen=True)
class ValueRange:
    """What raw values are taken for.

    Args:
        low: of the values seen, those to train on and to validate on.
        high: of the values seen.
        taken: the range that they are taken for; None where none is known.
        certain: whether the user, the source or the type told it, not the values alone.
    """

    low: float
    high: float
    taken: tuple[float, float] | None
    certain: bool

    @property
    def full(self) -> float | None:
        """The raw value of full brightness, where black is 0."""
        return self.taken[1] if self.taken is not None and self.taken[0] == 0 else None

    def to_dict(self) -> dict[str, Any]:
        """The form that is written to JSON."""
        taken = None if self.taken is None else list(self.taken)
        return {"low": self.low, "high": self.high, "taken_for": taken, "certain": self.certain}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> ValueRange:
        """Reads what to_dict returned."""
        taken = stored["taken_for"]
        pair = None if taken is None else (float(taken[0]), float(taken[1]))
        return cls(float(stored["low"]), float(stored["high"]), pair, bool(stored["certain"]))


def value_range(
    images: SampleArray, raw_max: float | None, stated: tuple[float, float] | None, place: str
) -> ValueRange:
    """Tells the range of raw values; series and tables have none unless it is stated.

    Args:
        images: raw samples [n, ...], uint8 or float32, all but the test part.
        raw_max: the raw value of full brightness, where the source tells it.
        stated: data.value_range.
        place: where they come from, for messages.

    Raises:
        DataError: values outside of the range, or samples of two ranges in one array.
    """
    low, high = extremes(images)
    if stated is not None:
        _check_inside(images, (low, high), stated, place)
        return ValueRange(low, high, stated, certain=True)
    if raw_max is not None:
        _check_inside(images, (low, high), (0.0, raw_max), place)
        return ValueRange(low, high, (0.0, raw_max), certain=True)
    taken = _told(low, high) if images.ndim == 4 else None
    if taken == BYTES:
        _refuse_mixture(images, high, place)
    return ValueRange(low, high, taken, certain=False)


def _told(low: float, high: float) -> tuple[float, float] | None:
    """The range that floating-point values fill, at least by half."""
    for bottom, top in PICTURES:
        reaches = high > top / 2 and (bottom == 0 or low < bottom / 2)
        if bottom <= low and high <= top and (reaches or (bottom, top) == (0.0, 1.0)):
            return bottom, top
    return None


def _check_inside(
    images: SampleArray, seen: tuple[float, float], taken: tuple[float, float], place: str
) -> None:
    if taken[0] <= seen[0] and seen[1] <= taken[1]:
        return
    outside = np.concatenate(
        [
            ((chunk < taken[0]) | (chunk > taken[1])).reshape(len(chunk), -1).any(axis=1)
            for chunk in chunks(images)
        ]
    )
    if outside.any():
        row = images[int(outside.argmax())]
        raise DataError(
            f"{place}: an image holds {row.min():g} to {row.max():g}, outside of "
            f"the range {taken[0]:g} to {taken[1]:g} of the others ({int(outside.sum())} such "
            f"images); correct them, or data.value_range"
        )


def _refuse_mixture(images: SampleArray, highest: float, place: str) -> None:
    """Refuses images of 0..1 among images of 0..255."""
    scaled = sum(_of_unit_range(chunk) for chunk in chunks(images))
    if scaled:
        raise DataError(
            f"{place}: {scaled} images hold values from 0 to 1, the others up to "
            f"{highest:g}; bring all of them to one range"
        )


def _of_unit_range(images: np.ndarray) -> int:
    """How many images hold fractions up to 1 and nothing above."""
    tops = images.reshape(len(images), -1).max(axis=1)
    small = np.flatnonzero((tops > 0) & (tops <= 1))
    return sum(bool((images[row] % 1 != 0).any()) for row in small)


def refuse_nonsense(values: ValueRange, dtype: np.dtype, place: str) -> None:
    """Refuses bytes of which only 0 and 1 occur, which would be fed as 0 to 0.004."""
    if dtype == np.uint8 and values.taken == BYTES and values.high <= 1:
        raise DataError(
            f"{place}: the images are bytes, but none is above {values.high:g}; say "
            "data.value_range '[0, 1]' if they hold 0 and 1 alone, or save bytes from 0 to 255"
        )


def explain(values: ValueRange, dtype: np.dtype, kind: str) -> str:
    """One line on what the values were taken for, and what networks are fed.

    Args:
        values: from `value_range`.
        dtype: of the raw images.
        kind: data.normalization, or "given" where mean and deviation are stated.
    """
    seen = f"values: {dtype} from {values.low:g} to {values.high:g}"
    if kind == "standard":
        return f"{seen}, fed with mean 0 and deviation 1 a channel"
    if kind == "given":
        return f"{seen}, fed by the mean and deviation that are stated"
    if kind == "raw":
        return f"{seen}, fed as they are"
    if values.taken is None:
        return (
            f"{seen}, which is no range of pictures: lowest and highest of the training part are "
            "fed as 0 and 1 (data.normalization standard: mean 0 and deviation 1; raw: as they "
            f"are; {HINT})"
        )
    low, high = values.taken
    target = "0..1" if kind == "unit" else "-1..1"
    how = "as they are" if target == f"{low:g}..{high:g}" else f"as {target}"
    return f"{seen}, taken for {low:g}..{high:g}, fed {how}{_doubt(values, dtype, kind)}"


def fed_kind(kind: NormalizationKind, images: SampleArray, values: ValueRange) -> NormalizationKind:
    """How samples are fed: "unit" means "standard" for series and tables, which know no range."""
    known = images.ndim == 4 or values.taken is not None
    return "standard" if kind == "unit" and not known else kind


def _doubt(values: ValueRange, dtype: np.dtype, kind: str) -> str:
    """What else they may be."""
    if dtype == np.uint8 and values.taken == BYTES and values.high < DARK:
        return f" (dark: if {values.high:g} is full brightness, say so: {HINT})"
    if not values.certain and kind == "unit" and values.low < 0:
        return f" (data.normalization raw feeds them as they are; {HINT})"
    return ""
