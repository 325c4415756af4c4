"""What arrays of samples are: pictures, series or rows of a table, told by shape or asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hintlite.errors import DataError
from hintlite.pipeline.settings.data import SampleKind

if TYPE_CHECKING:
    import numpy as np

SMALLEST_GRAY = 8  # rows and columns of [n, h, w]; a shorter axis is rather one of channels
FORMS: dict[SampleKind, str] = {
    "images": "[n, h, w, c] or [n, h, w]",
    "series": "[n, time, channels] or [n, time]",
    "table": "[n, features]",
}
_RANKS: dict[SampleKind, tuple[int, ...]] = {"images": (3, 4), "series": (2, 3), "table": (2,)}
BY_RANK: dict[int, SampleKind] = {1: "table", 2: "series", 3: "images"}  # axes of one sample


class OpenKindError(DataError):
    """Arrays whose shape fits several kinds of samples; a setting has to tell."""


def kind_of(
    shape: tuple[int, ...], dtype: np.dtype, wanted: SampleKind | None, place: str
) -> SampleKind:
    """What arrays of this shape are.

    Four axes are pictures. Three are a series where one is too short for a grey picture, and grey
    pictures where both are equal or the values are bytes. Everything else may be several kinds.

    Args:
        shape: of all samples, [n, ...].
        dtype: of the values.
        wanted: data.kind, or what the networks take; None where nobody said it.
        place: where they come from, for messages.

    Raises:
        OpenKindError: the shape fits several kinds, and nobody said which.
        DataError: it fits none, or not the one that is wanted.
    """
    shown = f"{place}: the samples have shape {list(shape)}"
    if 0 in shape:
        raise DataError(f"{shown}, so there is not one value; add some")
    if wanted is not None:
        if len(shape) not in _RANKS[wanted]:
            raise DataError(
                f"{shown}, but as {wanted} they are {FORMS[wanted]}; reshape them, or correct "
                "data.kind"
            )
        return wanted
    if len(shape) == 4:
        return "images"
    if len(shape) == 3:
        if min(shape[1:]) < SMALLEST_GRAY:
            return "series"
        if shape[1] == shape[2] or dtype.kind == "b" or dtype == "uint8":
            return "images"
        raise OpenKindError(
            f"{shown}, which may be grey pictures [n, h, w] or series [n, time, channels]: say "
            "data.kind images or data.kind series"
        )
    if len(shape) == 2:
        raise OpenKindError(
            f"{shown}, which may be a table [n, features] or series of one channel [n, time]: say "
            "data.kind table or data.kind series (flattened pictures need x.reshape(n, h, w, c))"
        )
    raise DataError(
        f"{shown}; taken are pictures {FORMS['images']}, series {FORMS['series']} and tables "
        f"{FORMS['table']}: videos, volumes and others are not offered"
    )


def sample_shape(shape: tuple[int, ...], kind: SampleKind) -> tuple[int, ...]:
    """The shape of one sample, with its axis of channels.

    Args:
        shape: of all samples as they came, [n, ...].
        kind: of them.
    """
    without = len(shape) == {"images": 3, "series": 2, "table": 0}[kind]
    return (*shape[1:], 1) if without else shape[1:]
