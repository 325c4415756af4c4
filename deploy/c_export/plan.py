"""Where every activation and every scratch buffer lies in the arena."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hintlite.deploy.c_export.calls import Step
from hintlite.deploy.c_export.errors import ExportError
from hintlite.deploy.tflite.buffers import Buffer
from hintlite.deploy.tflite.graph import Graph
from hintlite.deploy.tflite.lifetimes import Lifetimes
from hintlite.deploy.tflite.planner import first_fit_plan

ARENA_ALIGN = 4  # widened columns are read as words


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


class _Groups:
    """Tensors that share memory: reshapes of each other, and results computed in place."""

    def __init__(self, graph: Graph, steps: Sequence[Step]) -> None:
        self._leader = {t: t for step in steps for t in (*step.reads, step.writes)}
        self._leader.setdefault(graph.inputs[0], graph.inputs[0])
        self._leader.setdefault(graph.outputs[0], graph.outputs[0])
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
        if self.leader(tensor) == self.leader(self._graph.outputs[0]):
            return "output"
        return "input" if self.leader(tensor) == self.leader(self._graph.inputs[0]) else None

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
    if groups.leader(graph.inputs[0]) == groups.leader(graph.outputs[0]):
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
    buffers = [
        *(_buffer(graph, t, groups.first[t], groups.last[t]) for t in leaders),
        *(Buffer("scratch", steps[i].scratch_bytes, i, i, alignment=ARENA_ALIGN) for i in scratch),
    ]
    plan = first_fit_plan(Lifetimes(tuple(step.operator.name for step in steps), tuple(buffers)))
    offset_of = dict(zip(leaders, plan.offsets, strict=False))
    places = {}
    for tensor in groups.members():
        external = groups.external(tensor)
        place = (external, 0) if external else ("arena", offset_of[groups.leader(tensor)])
        places[tensor] = place
    return Plan(
        places,
        dict(zip(scratch, plan.offsets[len(leaders) :], strict=True)),
        plan.arena_bytes,
        plan.bound_bytes,
    )


def _buffer(graph: Graph, index: int, first: int, last: int) -> Buffer:
    tensor = graph.tensors[index]
    return Buffer(tensor.name, tensor.elements, first, last, index, ARENA_ALIGN)
