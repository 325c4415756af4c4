"""The forms in which arrays of samples are taken, and what is refused."""

from __future__ import annotations

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.checks import refuse_objects
from hintlite.pipeline.data.kinds import kind_of, sample_shape
from hintlite.pipeline.data.rows import SampleArray, cast, chunks, extremes, with_channels
from hintlite.pipeline.settings.data import SampleKind

EXACT = 2**24  # float32 holds every whole number up to here


def check_samples(
    samples: SampleArray,
    place: str,
    like: np.dtype | None = None,
    kind: SampleKind | None = None,
) -> tuple[SampleArray, tuple[str, ...]]:
    """Brings raw samples into the one form that the rest of the package knows.

    No value is changed.

    Args:
        samples: pictures [n, h, w] or [n, h, w, c], series [n, time] or [n, time, channels], or a
            table [n, features]; numbers.
        place: where they come from, for the message.
        like: the type that the training samples have got, where these belong to them.
        kind: what they are; None: told by their shape.

    Returns:
        [n, h, w, c], [n, time, channels] or [n, features]: uint8 where they are whole numbers from
        0 to 255, otherwise float32; and what was understood, where it needs saying.

    Raises:
        DataError: other shapes, no numbers, no samples, NaN or infinite values.
    """
    refuse_objects(samples, place)
    found = kind_of(samples.shape, samples.dtype, kind, place)
    if found == "images":
        _refuse_channels_first(samples.shape, place)
    notes = [_shape_note(samples.shape, found, kind)]
    if sample_shape(samples.shape, found) != samples.shape[1:]:
        samples = with_channels(samples)
    if found == "images":
        notes.append(_axes(samples.shape))
    if samples.dtype == np.uint8:
        return samples, _said(notes)
    if samples.dtype.kind in "iub":
        samples, note = _from_integers(samples, place, like)
        return samples, _said([*notes, note])
    if samples.dtype.kind != "f":
        raise DataError(f"{place}: the samples are {samples.dtype}, expected numbers")
    samples = cast(samples, np.float32)
    _check_finite(samples, place)
    return samples, _said(notes)


def _said(notes: list[str | None]) -> tuple[str, ...]:
    return tuple(note for note in notes if note)


def _shape_note(shape: tuple[int, ...], found: SampleKind, asked: SampleKind | None) -> str | None:
    """What the samples were taken for, where nobody said it and it is no picture."""
    if found == "images" or asked is not None:
        return None
    return (
        f"read as series of {shape[1]} time steps and {shape[2]} channels (data.kind says "
        "otherwise)"
    )


def _axes(shape: tuple[int, ...]) -> str | None:
    """Which axis is which, where it might be another."""
    _, height, width, channels = shape
    if height in (1, 3, 4) and min(width, channels) > 4:
        return (
            f"read as {height} x {width} (height x width) of {channels} channels; arrays with "
            "channels first need np.moveaxis(x, 1, -1)"
        )
    return None


def _refuse_channels_first(shape: tuple[int, ...], place: str) -> None:
    if len(shape) == 4 and shape[1] in (1, 3) and shape[2] == shape[3] > 4:
        raise DataError(
            f"{place}: images have shape {list(shape)}, which looks like channels first; expected "
            "[n, h, w, c]: save np.moveaxis(x, 1, -1)"
        )


def _from_integers(
    images: SampleArray, place: str, like: np.dtype | None
) -> tuple[SampleArray, str | None]:
    """Bytes where no value is lost, float32 otherwise."""
    low, high = (int(value) for value in extremes(images))
    if like is None:
        like = np.dtype(np.uint8 if low >= 0 and high <= 255 else np.float32)
    if like == np.uint8:
        if low < 0 or high > 255:
            raise DataError(
                f"{place}: {images.dtype} values from {low} to {high}, but the training images are "
                "bytes, 0 to 255; bring both parts to one range"
            )
        return cast(images, np.uint8), f"{images.dtype} from {low} to {high}: taken as bytes"
    if max(-low, high) > EXACT:
        raise DataError(
            f"{place}: {images.dtype} values up to {max(-low, high)}, more than float32 holds "
            "exactly (16,777,216); divide them before saving"
        )
    return cast(images, np.float32), f"{images.dtype} from {low} to {high}: kept, as float32"


def _check_finite(images: SampleArray, place: str) -> None:
    parts = [np.isfinite(part).reshape(len(part), -1).all(axis=1) for part in chunks(images)]
    bad = ~np.concatenate(parts)
    if bad.any():
        raise DataError(
            f"{place}: row {int(bad.argmax())} of the samples holds NaN or a value beyond float32 "
            f"({int(bad.sum())} such rows); leave these rows out or repair them"
        )
