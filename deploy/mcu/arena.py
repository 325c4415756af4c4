"""The arena that TensorFlow Lite Micro takes for a model, computed from the file alone.

The interpreter's allocations are gone through in its own order (micro_interpreter.cc,
micro_allocator.cc): persistent ones grow down from the arena's end, the plan of activations and
scratch buffers lies at its start, temporary ones come between while tensors are allocated. Sizes of
structures follow the target's data model, so that nothing of a 64-bit host is left in the figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hintlite.deploy.mcu import structures
from hintlite.deploy.mcu.abi import align_up, layout
from hintlite.deploy.mcu.kernel_memory import KERNELS, KernelMemory, kernel_memory
from hintlite.deploy.mcu.structures import ARENA_ALIGNMENT, TARGET, Build
from hintlite.deploy.tflite.graph import Graph, Model, ModelError
from hintlite.deploy.tflite.lifetimes import model_lifetimes
from hintlite.deploy.tflite.planner import greedy_plan
from hintlite.errors import SettingsError

CATEGORIES = (
    "allocators",  # the interpreter's own
    "tensors",  # TfLiteEvalTensor of every tensor
    "nodes",  # NodeAndRegistration of every operator
    "options",  # parsed options
    "kernels",  # OpData, multipliers and shifts of the channels, lists of inputs and outputs
    "handles",  # of scratch buffers
    "ends",  # TfLiteTensor of the inputs and outputs, and their quantization
)
_OFFLINE_PLAN = "OfflineMemoryAllocation"


@dataclass(frozen=True)
class ArenaEstimate:
    """An arena in bytes.

    Args:
        arena_bytes: what must be reserved.
        non_persistent_bytes: the plan of activations and scratch buffers.
        persistent_bytes: all that stays, by category.
        preparing_bytes: the most that is taken while tensors are allocated.
        scratch_bytes: largest sum of one operator's scratch buffers.
        assumed: operators whose kernels' own memory is assumed, not known.
    """

    arena_bytes: int
    non_persistent_bytes: int
    persistent_bytes: Mapping[str, int]
    preparing_bytes: int
    scratch_bytes: int
    assumed: tuple[str, ...]

    @property
    def tail_bytes(self) -> int:
        """All persistent allocations."""
        return sum(self.persistent_bytes.values())


def estimate_arena(
    model: Model, kernels: str = "reference", build: Build = TARGET
) -> ArenaEstimate:
    """The arena for one model.

    Args:
        model: with one graph.
        kernels: one of `kernel_memory.KERNELS`.
        build: how the interpreter is built; a 32-bit target by default.

    Raises:
        ModelError: several graphs, a plan made elsewhere, or an operator that TFLM does not have.
        SettingsError: unknown kernels.
    """
    if kernels not in KERNELS:
        raise SettingsError(f"Unknown kernels '{kernels}': choose one of {', '.join(KERNELS)}.")
    _check(model)
    graph = model.main
    memory = [kernel_memory(graph, each, build, kernels) for each in graph.operators]
    tail = _Tail(build)
    preparing = _allocate(graph, memory, sum(len(each.scratch) for each in memory), tail)
    lifetimes = model_lifetimes(model, lambda _, operator: memory[operator.index].scratch)
    head = greedy_plan(lifetimes).arena_bytes
    used = head + align_up(tail.used, ARENA_ALIGNMENT)
    return ArenaEstimate(
        arena_bytes=align_up(max(used, preparing), ARENA_ALIGNMENT),
        non_persistent_bytes=head,
        persistent_bytes=tail.by_category,
        preparing_bytes=preparing,
        scratch_bytes=max((sum(each.scratch) for each in memory), default=0),
        assumed=tuple(
            sorted({graph.operators[i].name for i, m in enumerate(memory) if not m.known})
        ),
    )


def cmsis_nn_arena(model: Model) -> ArenaEstimate:
    """The larger arena of CMSIS-NN's two variants (DSP and vector extension)."""
    variants = [estimate_arena(model, kernels) for kernels in KERNELS[1:]]
    return max(variants, key=lambda each: each.arena_bytes)


def _check(model: Model) -> None:
    if len(model.graphs) != 1:
        raise ModelError(
            f"The model has {len(model.graphs)} graphs (control flow); the arena can be told for "
            "one: convert it without branches and loops."
        )
    if _OFFLINE_PLAN in model.metadata:
        raise ModelError(
            f"The model carries a memory plan of its own ({_OFFLINE_PLAN}), which this estimate "
            "does not follow: give the file as the converter wrote it."
        )
    dynamic = [t for t in model.main.tensors if any(size < 0 for size in t.shape)]
    if dynamic:
        raise ModelError(
            f"Tensor {dynamic[0].index} ({dynamic[0].name}) has the shape "
            f"{list(dynamic[0].shape)}: convert with fixed sizes."
        )


class _Tail:
    """Persistent allocations, downwards from the arena's aligned end."""

    def __init__(self, build: Build) -> None:
        self.build = build
        self.used = 0
        self.by_category = dict.fromkeys(CATEGORIES, 0)

    def take(self, category: str, size: int, alignment: int = ARENA_ALIGNMENT) -> None:
        if size:
            before, self.used = self.used, align_up(self.used + size, alignment)
            self.by_category[category] += self.used - before

    def take_structures(self, category: str, fields: str, count: int = 1) -> None:
        size, alignment = layout(fields, self.build.abi)
        self.take(category, size * count, alignment)


def _allocate(graph: Graph, memory: Sequence[KernelMemory], scratch_count: int, tail: _Tail) -> int:
    """Goes through MicroInterpreter::AllocateTensors.

    Returns:
        The most bytes that it takes on the way, temporary ones included.
    """
    build = tail.build
    for fields in build.allocators:
        tail.take_structures("allocators", fields)
    tail.take_structures("allocators", build.subgraph)
    tail.take_structures("tensors", structures.EVAL_TENSOR, len(graph.tensors))
    tail.take_structures("nodes", structures.NODE_AND_REGISTRATION, len(graph.operators))
    for each in memory:
        tail.take("options", *each.options)
    for each in memory:
        tail.take("kernels", each.data)
    most = _prepare(graph, memory, tail)
    if scratch_count:
        tail.take_structures("handles", structures.SCRATCH_HANDLE, scratch_count)
    most = max(most, _planning_bytes(graph, scratch_count, tail))
    pointer = build.abi.pointer_bytes
    for ends in (graph.inputs, graph.outputs):
        tail.take("kernels", pointer * len(ends))
        for index in ends:
            _take_end(graph, index, tail)
    return most


def _prepare(graph: Graph, memory: Sequence[KernelMemory], tail: _Tail) -> int:
    """The kernels' Prepare: their arrays, beside requests for scratch and temporary tensors.

    Temporary tensors are freed when Prepare ends; where a kernel's source was not read, each is
    counted twice, which is never too little.
    """
    most, requests = 0, 0
    request = layout(structures.SCRATCH_REQUEST, tail.build.abi)[0]
    for operator, each in zip(graph.operators, memory, strict=True):
        for size in each.arrays:
            tail.take("kernels", size)
        head = request * (requests + structures.SCRATCH_REQUESTS_PER_OPERATOR)
        indices = [i for i in (*operator.inputs, *operator.outputs) if i >= 0]
        temporary = sum(_temporary_bytes(graph, i, tail.build) for i in indices)
        most = max(most, head + each.looks * temporary + tail.used)
        requests += len(each.scratch)
    return most


def _temporary_bytes(graph: Graph, index: int, build: Build) -> int:
    """A TfLiteTensor with its quantization, as kernels get it while they prepare."""
    quantization = graph.tensors[index].quantization
    size = layout(structures.TENSOR, build.abi)[0]
    if quantization is None:
        return size
    affine = layout(structures.AFFINE_QUANTIZATION, build.abi)[0]
    return size + affine + align_up(4 + 4 * len(quantization.scales), build.abi.pointer_bytes)


def _planning_bytes(graph: Graph, scratch_count: int, tail: _Tail) -> int:
    """The moment when the plan is made: requests, lifetimes, and the planner's own lists."""
    abi = tail.build.abi
    count = len(graph.tensors) + scratch_count
    planned = sum(1 for t in graph.tensors if not t.constant) + scratch_count
    requests = layout(structures.SCRATCH_REQUEST, abi)[0] * (
        scratch_count + structures.SCRATCH_REQUESTS_PER_OPERATOR
    )
    infos = abi.pointer_bytes + layout(structures.ALLOCATION_INFO, abi)[0] * count
    lists = layout(structures.PLANNED_BUFFER, abi)[0] * planned
    head = align_up(requests + infos, ARENA_ALIGNMENT)
    return head + lists + align_up(tail.used, ARENA_ALIGNMENT)


def _take_end(graph: Graph, index: int, tail: _Tail) -> None:
    tail.take_structures("ends", structures.TENSOR)
    quantization = graph.tensors[index].quantization
    if quantization is not None:
        tail.take_structures("ends", structures.AFFINE_QUANTIZATION)
        tail.take("ends", 4 + 4 * len(quantization.scales), 4)
