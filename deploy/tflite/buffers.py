"""Memory that is in use for some steps, and places for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ALIGNMENT_BYTES = 16  # MicroArenaBufferAlignment in tensorflow/lite/micro/micro_arena_constants.h


@dataclass(frozen=True)
class Buffer:
    """Memory that is in use from step `first` to step `last`, both included.

    Attributes:
        name: of the tensor, or of the scratch memory.
        size_bytes: as asked for, not aligned.
        first: step in which it is written.
        last: step in which it is last read.
        tensor: index in the main graph; None for scratch memory.
        alignment: it begins at a multiple of this many bytes, and takes a multiple of them.
    """

    name: str
    size_bytes: int
    first: int
    last: int
    tensor: int | None = None
    alignment: int = ALIGNMENT_BYTES

    @property
    def aligned_bytes(self) -> int:
        """The size rounded up to whole alignments: what the arena gives."""
        return -(-self.size_bytes // self.alignment) * self.alignment

    def meets(self, other: Buffer) -> bool:
        """Whether both are in use in some step."""
        return self.first <= other.last and other.first <= self.last


def first_fit(buffers: Sequence[Buffer], order: Sequence[int]) -> list[int]:
    """An offset for each buffer: in turn, each in the lowest gap that is wide enough.

    Args:
        buffers: what to place.
        order: of placing them, positions in `buffers`.
    """
    offsets = [0] * len(buffers)
    placed: list[int] = []
    for i in order:
        offset = 0
        met = [j for j in placed if buffers[j].meets(buffers[i])]
        for j in sorted(met, key=offsets.__getitem__):
            if offsets[j] - offset >= buffers[i].aligned_bytes:
                break
            offset = max(offset, offsets[j] + buffers[j].aligned_bytes)
        offsets[i] = offset
        placed.append(i)
    return offsets


def extent(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    """Bytes from the start to the end of the last buffer."""
    return max((o + b.aligned_bytes for b, o in zip(buffers, offsets, strict=True)), default=0)
