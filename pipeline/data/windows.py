"""Recordings cut into windows: pieces of one length, each of one class and one recording."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.rows import CHUNK_BYTES

NO_CLASS = -1  # of a time step that belongs to no class


@dataclass(frozen=True)
class Stretches:
    """What is known of a recording without its values.

    Attributes:
        parts: (first, end, label) of its stretches of one class, in their order.
        without: how many time steps have no class.
        group: what it is never divided from.
    """

    parts: Sequence[tuple[int, int, int]]
    without: int
    group: str


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

    @property
    def stretches(self) -> Stretches:
        """Where its classes begin and end."""
        parts = [(first, end, int(self.labels[first])) for first, end in stretches(self.labels)]
        return Stretches(parts, int((self.labels == NO_CLASS).sum()), self.group)


@dataclass(frozen=True, eq=False)
class Windows:
    """Where the windows of all recordings lie.

    Attributes:
        length: time steps of each.
        starts: for each recording, the time steps at which its windows begin, rising.
        labels: int64 [n], of all windows, in the order of recordings and starts.
        groups: [n], text.
        notes: what was left out.
    """

    length: int
    starts: Sequence[Sequence[int]]
    labels: np.ndarray
    groups: np.ndarray
    notes: tuple[str, ...]

    @cached_property
    def firsts(self) -> np.ndarray:
        """int64 [recordings + 1], the number of the first window of each."""
        return np.cumsum([0, *map(len, self.starts)])

    def of(self, recordings: Sequence[Recording]) -> np.ndarray:
        """The windows of recordings in memory, float32 [n, length, channels]."""
        pairs = zip(recordings, self.starts, strict=True)
        parts = [part for r, starts in pairs for part in pieces([r.signal], starts, self.length)]
        return np.concatenate(parts)


def cut(recordings: Sequence[Stretches], window: int, hop: int, place: str) -> Windows:
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
    found: list[list[int]] = []
    labels: list[int] = []
    groups: list[str] = []
    short = longest = 0
    for recording in recordings:
        found.append([])
        for first, end, label in recording.parts:
            starts = range(first, end - window + 1, hop)
            found[-1] += starts
            labels += [label] * len(starts)
            groups += [recording.group] * len(starts)
            short += len(starts) == 0
            longest = max(longest, end - first)
    if not labels:
        raise DataError(
            f"{place}: no stretch of one class is as long as a window of {window} time steps, "
            f"the longest has {longest}; set data.window lower"
        )
    without = sum(recording.without for recording in recordings)
    notes = [
        f"recordings: {len(recordings)} cut into {len(labels)} windows of {window} time steps, "
        f"one every {hop}, of {len(set(groups))} groups"
    ]
    notes += [f"recordings: {without} time steps have no class"] if without else []
    notes += [f"recordings: {short} stretches are shorter than a window"] if short else []
    return Windows(window, found, np.array(labels, np.int64), np.array(groups), tuple(notes))


def pieces(
    blocks: Iterable[np.ndarray], starts: Sequence[int], window: int
) -> Iterator[np.ndarray]:
    """Windows of one recording, of which only what they need is held.

    Args:
        blocks: float32 [k, channels], the recording from its beginning on.
        starts: where windows begin, rising.
        window: time steps.

    Yields:
        [n, window, channels], up to about CHUNK_BYTES.
    """
    held, begin, done = None, 0, 0
    for block in blocks:
        held = block if held is None else np.concatenate([held, block])
        end = begin + len(held)
        at_once = max(CHUNK_BYTES // max(held[:1].nbytes * window, 1), 1)
        while done < len(starts) and starts[done] + window <= end:
            ready = [s - begin for s in starts[done : done + at_once] if s + window <= end]
            yield np.stack([held[first : first + window] for first in ready])
            done += len(ready)
        if done == len(starts):
            return
        unneeded = min(starts[done], end) - begin
        held, begin = held[unneeded:], begin + unneeded


def stretches(labels: np.ndarray) -> list[tuple[int, int]]:
    """Where stretches of one class begin and end; steps without a class are in none.

    Args:
        labels: int64 [time].
    """
    borders = np.flatnonzero(np.diff(labels)) + 1
    ends = [*borders.tolist(), len(labels)]
    found = zip([0, *ends[:-1]], ends, strict=True)
    return [(first, end) for first, end in found if end > first and labels[first] != NO_CLASS]
