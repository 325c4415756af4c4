"""The plan that TensorFlow Lite Micro itself makes of activations and scratch buffers.

Lifetimes as in TFLM's micro_allocation_info.cc, places as in its
memory_planner/greedy_memory_planner.cc: largest first, each in the first gap that is wide enough.
Only TFLM's own choices give the arena that its interpreter takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hintlite.deploy.mcu.abi import align_up
from hintlite.deploy.mcu.structures import ARENA_ALIGNMENT
from hintlite.deploy.tflite.graph import BITS, Graph, ModelError, Tensor

_NEVER = -1


@dataclass(frozen=True)
class Buffer:
    """`size` bytes that are in use from scope `first` to scope `last`, both included."""

    size: int
    first: int
    last: int

    def meets(self, other: Buffer) -> bool:
        """Whether both are in use at one time."""
        return self.first <= other.last and other.first <= self.last


def planned_buffers(graph: Graph, scratch: Sequence[tuple[int, int]]) -> list[Buffer]:
    """What is planned: activations by tensor number, then scratch buffers.

    Args:
        graph: the model's only graph.
        scratch: (operator, bytes) of each request, in order.

    Returns:
        Sizes rounded up to the arena's alignment; scope 0 is before the first operator.

    Raises:
        ModelError: a tensor's size is unknown.
    """
    spans = _spans(graph)
    activations = [
        Buffer(align_up(tensor_bytes(tensor), ARENA_ALIGNMENT), *spans[tensor.index])
        for tensor in graph.tensors
        if not tensor.constant and tensor_bytes(tensor)
    ]
    extra = [
        Buffer(align_up(size, ARENA_ALIGNMENT), operator + 1, operator + 1)
        for operator, size in scratch
    ]
    return activations + extra


def tensor_bytes(tensor: Tensor) -> int:
    """Bytes of one tensor in the arena.

    Raises:
        ModelError: its type has no fixed size.
    """
    if tensor.dtype not in BITS:
        raise ModelError(
            f"Tensor {tensor.index} ({tensor.name}) is of {tensor.dtype}, whose size is unknown: "
            "TensorFlow Lite Micro cannot hold it in its arena."
        )
    return (tensor.elements * BITS[tensor.dtype] + 7) // 8


def _spans(graph: Graph) -> list[tuple[int, int]]:
    """First and last scope of each tensor."""
    first = [_NEVER] * len(graph.tensors)
    last = [_NEVER] * len(graph.tensors)
    for index in (*graph.inputs, *graph.outputs):
        first[index] = last[index] = 0
    for scope, operator in enumerate(graph.operators, start=1):
        for index in operator.outputs:
            first[index] = last[index] = scope
        for index in (*operator.inputs, *operator.outputs):
            if index >= 0:
                last[index] = scope
    for index in graph.outputs:
        last[index] = len(graph.operators)
    return list(zip(first, last, strict=True))


def greedy_offsets(buffers: Sequence[Buffer]) -> list[int]:
    """Where TFLM places each buffer.

    Args:
        buffers: in the order in which they are added.

    Returns:
        An offset for each, in bytes.
    """
    # Of equal sizes the one that was added last comes first: the list is filled from its end.
    order = sorted(reversed(range(len(buffers))), key=lambda i: -buffers[i].size)
    offsets = [0] * len(buffers)
    placed: list[int] = []
    for i in order:
        offset = 0
        for j in sorted(
            (j for j in placed if buffers[j].meets(buffers[i])), key=offsets.__getitem__
        ):
            if offsets[j] - offset >= buffers[i].size:
                break
            offset = max(offset, offsets[j] + buffers[j].size)
        offsets[i] = offset
        placed.append(i)
    return offsets


def plan_bytes(buffers: Sequence[Buffer]) -> int:
    """Bytes of the whole plan, the arena's head."""
    offsets = greedy_offsets(buffers)
    return max((o + b.size for o, b in zip(offsets, buffers, strict=True)), default=0)
