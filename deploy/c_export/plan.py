"""Where every activation and every scratch buffer lies in the arena."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hintlite.deploy.c_export.calls import Step
from hintlite.deploy.c_export.graph import ExportError, Graph

ARENA_ALIGN = 4  # widened columns are read as words
_ATTEMPTS = 400


@dataclass(frozen=True)
class Buffer:
    """`size` bytes that are in use from step `first` to step `last`, both included."""

    size: int
    first: int
    last: int


@dataclass(frozen=True)
class Plan:
    """The memory of a network.

    Args:
        places: tensor -> ("arena", offset), ("input", 0) or ("output", 0).
        scratch: step -> offset of its scratch buffer.
        arena_bytes: the whole arena.
        lower_bound: the most bytes in use at any one step; no plan of these buffers is smaller.
    """

    places: Mapping[int, tuple[str, int]]
    scratch: Mapping[int, int]
    arena_bytes: int
    lower_bound: int


def pack(buffers: Sequence[Buffer]) -> tuple[list[int], int]:
    """Offsets for buffers so that no two that live at the same time overlap.

    First fit in several orders (largest first, earliest first, then seeded shuffles), the best
    kept; stops as soon as the lower bound is reached.

    Args:
        buffers: what to place.

    Returns:
        (an offset for each buffer, bytes needed in all).
    """
    bound = live_bytes(buffers)
    best: tuple[int, list[int]] | None = None
    for order in _orders(buffers):
        offsets = _first_fit(buffers, order)
        needed = max(
            (o + _padded(b.size) for o, b in zip(offsets, buffers, strict=True)), default=0
        )
        if best is None or needed < best[0]:
            best = needed, offsets
        if needed == bound:
            break
    return (best[1], best[0]) if best else ([], 0)


def live_bytes(buffers: Sequence[Buffer]) -> int:
    """The most bytes in use at one step: a lower bound for every plan."""
    steps = {b.first for b in buffers}
    return max(
        (sum(_padded(b.size) for b in buffers if b.first <= s <= b.last) for s in steps),
        default=0,
    )


def _padded(size: int) -> int:
    return -(-size // ARENA_ALIGN) * ARENA_ALIGN


def _orders(buffers: Sequence[Buffer]) -> Iterable[list[int]]:
    indices = range(len(buffers))
    yield sorted(indices, key=lambda i: (-buffers[i].size, buffers[i].first))
    yield sorted(indices, key=lambda i: (buffers[i].first, -buffers[i].size))
    yield sorted(indices, key=lambda i: -buffers[i].size * (buffers[i].last - buffers[i].first + 1))
    shuffler = random.Random(0)
    for _ in range(_ATTEMPTS):
        order = list(indices)
        shuffler.shuffle(order)
        yield order


def _first_fit(buffers: Sequence[Buffer], order: list[int]) -> list[int]:
    offsets = [0] * len(buffers)
    placed: list[int] = []
    for i in order:
        taken = sorted(
            (offsets[j], offsets[j] + _padded(buffers[j].size))
            for j in placed
            if buffers[j].first <= buffers[i].last and buffers[i].first <= buffers[j].last
        )
        offset = 0
        for start, end in taken:
            if offset + buffers[i].size <= start:
                break
            offset = max(offset, end)
        offsets[i] = offset
        placed.append(i)
    return offsets


class _Groups:
    """Tensors that share memory: reshapes of each other, and results computed in place."""

    def __init__(self, graph: Graph, steps: Sequence[Step]) -> None:
        self._leader = {t: t for step in steps for t in (*step.reads, step.writes)}
        self._leader.setdefault(graph.input, graph.input)
        self._leader.setdefault(graph.output, graph.output)
        self._graph = graph
        self.first = dict.fromkeys(self._leader, -1)
        self.last = dict.fromkeys(self._leader, -1)
        for index, step in enumerate(steps):
            self.first[step.writes] = index
            for tensor in (*step.reads, step.writes):
                self.last[tensor] = max(self.last[tensor], index)

    def leader(self, tensor: int) -> int:
        while self._leader[tensor] != tensor:
            tensor = self._leader[tensor]
        return tensor

    def external(self, tensor: int) -> str | None:
        """Whose memory it is, if it is the caller's."""
        if self.leader(tensor) == self.leader(self._graph.output):
            return "output"
        return "input" if self.leader(tensor) == self.leader(self._graph.input) else None

    def merge(self, tensor: int, other: int) -> None:
        a, b = self.leader(tensor), self.leader(other)
        self._leader[b] = a
        self.first[a] = min(self.first[a], self.first[b])
        self.last[a] = max(self.last[a], self.last[b])

    def members(self) -> list[int]:
        return sorted(self._leader)


def _shared(graph: Graph, steps: Sequence[Step]) -> _Groups:
    """Merge reshapes first, then results that may overwrite an operand that ends there."""
    groups = _Groups(graph, steps)
    for step in steps:
        if step.alias:
            groups.merge(step.reads[0], step.writes)
    if groups.leader(graph.input) == groups.leader(graph.output):
        raise ExportError(
            "the output is the input under another shape: there is nothing to compute"
        )
    for index, step in enumerate(steps):
        if groups.external(step.writes):
            continue
        for operand in step.in_place:
            free = groups.last[groups.leader(operand)] == index
            if free and groups.external(operand) is None:
                groups.merge(operand, step.writes)
                break
    return groups


def plan_memory(graph: Graph, steps: Sequence[Step]) -> Plan:
    """Place all activations and scratch buffers.

    Args:
        graph: for the sizes of the tensors (int8: one byte an element).
        steps: the lowered operators in order of execution.

    Returns:
        The plan; the caller's input and output take no room in the arena.
    """
    groups = _shared(graph, steps)
    leaders = sorted({groups.leader(t) for t in groups.members() if groups.external(t) is None})
    scratch = [i for i, step in enumerate(steps) if step.scratch_bytes]
    buffers = [Buffer(graph.tensors[t].size, groups.first[t], groups.last[t]) for t in leaders] + [
        Buffer(steps[i].scratch_bytes, i, i) for i in scratch
    ]
    offsets, arena_bytes = pack(buffers)
    offset_of = dict(zip(leaders, offsets, strict=False))
    places = {}
    for tensor in groups.members():
        external = groups.external(tensor)
        place = (external, 0) if external else ("arena", offset_of[groups.leader(tensor)])
        places[tensor] = place
    return Plan(
        places,
        dict(zip(scratch, offsets[len(leaders) :], strict=True)),
        arena_bytes,
        live_bytes(buffers),
    )
