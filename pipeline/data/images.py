"""The forms in which arrays of images are taken, and what is refused."""

from __future__ import annotations

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.checks import refuse_objects
from hintlite.pipeline.data.rows import SampleArray, cast, chunks, extremes, with_channels

SMALLEST_GRAY = 8  # rows and columns of [n, h, w]; a shorter axis is rather one of channels
EXACT = 2**24  # float32 holds every whole number up to here
TAKEN = "hintlite takes pictures, [n, h, w, c], or grey ones [n, h, w]"


def check_images(
    images: SampleArray, place: str, like: np.dtype | None = None
) -> tuple[SampleArray, str | None]:
    """Brings raw images into the one form that the rest of the package knows.

    No value is changed. [n, h, w] are grey pictures where both sides have 8 pixels or more: a
    series [n, time, channels] is not taken for one.

    Args:
        images: [n, h, w] or [n, h, w, c], numbers.
        place: where they come from, for the message.
        like: the type that the training images have got, where these belong to them.

    Returns:
        [n, h, w, c], uint8 where they are whole numbers from 0 to 255, otherwise float32; and what
        was understood, where it needs saying.

    Raises:
        DataError: other shapes, no numbers, no samples, NaN or infinite values.
    """
    refuse_objects(images, place)
    check_shape(images.shape, place)
    if images.ndim == 3:
        images = with_channels(images)
    if images.dtype == np.uint8:
        return images, _axes(images.shape)
    if images.dtype.kind in "iub":
        return _from_integers(images, place, like)
    if images.dtype.kind != "f":
        raise DataError(f"{place}: images are {images.dtype}, expected numbers")
    images = cast(images, np.float32)
    _check_finite(images, place)
    return images, _axes(images.shape)


def _axes(shape: tuple[int, ...]) -> str | None:
    """Which axis is which, where it might be another."""
    _, height, width, channels = shape
    if height in (1, 3, 4) and min(width, channels) > 4:
        return (
            f"read as {height} x {width} (height x width) of {channels} channels; arrays with "
            "channels first need np.moveaxis(x, 1, -1)"
        )
    return None


def check_shape(shape: tuple[int, ...], place: str) -> None:
    """Refuses what cannot be pictures, by the shape alone.

    Raises:
        DataError: says what the array looks like, and what is taken.
    """
    shown = f"{place}: images have shape {list(shape)}"
    if len(shape) == 2:
        raise DataError(
            f"{shown}, a table [n, features] or flattened pictures; {TAKEN}: tables are not "
            "offered, and flattened pictures need x.reshape(n, h, w, c)"
        )
    if len(shape) not in (3, 4):
        raise DataError(f"{shown}; {TAKEN}: videos, volumes and others are not offered")
    if 0 in shape:
        raise DataError(f"{shown}, so there is not one value; add some")
    if len(shape) == 3 and min(shape[1:]) < SMALLEST_GRAY:
        raise DataError(
            f"{shown}, which may be a series [n, time, channels]; {TAKEN} of {SMALLEST_GRAY} "
            "pixels or more each way. Series are not offered as such: a network of convolutions "
            "[k, 1] takes them as [n, time, 1, channels], x[:, :, None, :]; smaller grey pictures "
            "need their axis of channels, x[..., None]"
        )
    if len(shape) == 4 and shape[1] in (1, 3) and shape[2] == shape[3] > 4:
        raise DataError(
            f"{shown}, which looks like channels first; expected [n, h, w, c]: save "
            "np.moveaxis(x, 1, -1)"
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
            f"{place}: row {int(bad.argmax())} of the images holds NaN or a value beyond float32 "
            f"({int(bad.sum())} such rows); leave these rows out or repair them"
        )
