"""Recordings cut into windows: pieces of one length, each of one class and one recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hintlite.errors import DataError

NO_CLASS = -1  # of a time step that belongs to no class


@dataclass(frozen=True, eq=False)
class Recording:
    """What was measured without a break.

    Attributes:
        name: of it, for messages.
        signal: float32 [time, channels].
        labels: int64 [time], NO_CLASS where a step has none.
        group: what it is never divided from.
    """

    name: str
    signal: np.ndarray
    labels: np.ndarray
    group: str


@dataclass(frozen=True, eq=False)
class Windows:
    """All windows of all recordings.

    Attributes:
        samples: float32 [n, window, channels].
        labels: int64 [n].
        groups: [n], text.
        notes: what was left out.
    """

    samples: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    notes: tuple[str, ...]


def cut(recordings: Sequence[Recording], window: int, hop: int, place: str) -> Windows:
    """Cuts recordings into windows.

    Each stretch of one class is cut from its beginning, so that a window never holds two classes,
    nor the end of one recording and the beginning of the next. What is left at the end of a stretch
    is left out.

    Args:
        recordings: of the same channels.
        window: time steps, at least 2.
        hop: time steps from one beginning to the next, at least 1.
        place: where they come from, for messages.

    Raises:
        DataError: no stretch is as long as a window, or a window or hop that cuts nothing.
    """
    if window < 2 or hop < 1:
        raise DataError(
            f"{place}: windows of {window} time steps every {hop} cut nothing: set data.window to "
            "2 time steps or more, data.hop to 1 or more (they are seconds with data.rate_hz)"
        )
    pieces: list[np.ndarray] = []
    labels: list[int] = []
    groups: list[str] = []
    short = longest = 0
    for recording in recordings:
        for first, end in stretches(recording.labels):
            starts = range(first, end - window + 1, hop)
            pieces += [recording.signal[start : start + window] for start in starts]
            labels += [int(recording.labels[first])] * len(starts)
            groups += [recording.group] * len(starts)
            short += len(starts) == 0
            longest = max(longest, end - first)
    if not pieces:
        raise DataError(
            f"{place}: no stretch of one class is as long as a window of {window} time steps, "
            f"the longest has {longest}; set data.window lower"
        )
    without = sum(int((recording.labels == NO_CLASS).sum()) for recording in recordings)
    notes = [
        f"recordings: {len(recordings)} cut into {len(pieces)} windows of {window} time steps, "
        f"one every {hop}, of {len(set(groups))} groups"
    ]
    notes += [f"recordings: {without} time steps have no class"] if without else []
    notes += [f"recordings: {short} stretches are shorter than a window"] if short else []
    return Windows(np.stack(pieces), np.array(labels, np.int64), np.array(groups), tuple(notes))


def stretches(labels: np.ndarray) -> list[tuple[int, int]]:
    """Where stretches of one class begin and end; steps without a class are in none.

    Args:
        labels: int64 [time].
    """
    borders = np.flatnonzero(np.diff(labels)) + 1
    ends = [*borders.tolist(), len(labels)]
    found = zip([0, *ends[:-1]], ends, strict=True)
    return [(first, end) for first, end in found if end > first and labels[first] != NO_CLASS]
