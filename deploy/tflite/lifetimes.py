"""From which operator to which each tensor of a model needs memory, as TFLM's interpreter sees it.

Source: `AllocationInfoBuilder` in tensorflow/lite/micro/micro_allocation_info.cc. Step 0 is before
the first operator, when the caller fills the inputs; operator i runs in step i + 1; the outputs
are kept to the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hintlite.deploy.mcu.kernel_memory import scratch_buffers
from hintlite.deploy.tflite.buffers import Buffer
from hintlite.deploy.tflite.graph import BITS, Graph, Model, ModelError, Operator, Tensor

# Bytes of each scratch buffer that the kernel of an operator asks for.
Scratch = Callable[[Graph, Operator], tuple[int, ...]]


@dataclass(frozen=True)
class Lifetimes:
    """All memory of one inference.

    Attributes:
        steps: name of each step: "input", then the operators in their order.
        buffers: tensors in the order of their indices, then scratch memory.
    """

    steps: tuple[str, ...]
    buffers: tuple[Buffer, ...]

    def live(self, step: int) -> tuple[Buffer, ...]:
        """The buffers in use in a step, the largest first."""
        found = [buffer for buffer in self.buffers if buffer.first <= step <= buffer.last]
        return tuple(sorted(found, key=lambda buffer: -buffer.aligned_bytes))

    @property
    def bytes_by_step(self) -> tuple[int, ...]:
        """Sum of the live buffers in each step, aligned."""
        return tuple(
            sum(buffer.aligned_bytes for buffer in self.live(step))
            for step in range(len(self.steps))
        )

    @property
    def lower_bound_bytes(self) -> int:
        """The largest sum of live buffers: no plan is smaller."""
        return max(self.bytes_by_step, default=0)

    @property
    def peak_step(self) -> int:
        """The first step in which the most is live."""
        return self.bytes_by_step.index(self.lower_bound_bytes)


def model_lifetimes(model: Model, scratch: Scratch = scratch_buffers) -> Lifetimes:
    """Lifetimes of the tensors of a model's main graph, and of its kernels' scratch memory.

    Constants lie in flash: they are not among them.

    Args:
        model: from `read_model`.
        scratch: the kernels' scratch memory; that of TFLM's reference kernels by default.
            CMSIS-NN's kernels ask for more.

    Raises:
        ModelError: more than one graph (control flow), a tensor whose size is unknown, or an
            operator that lacks operands.
    """
    if len(model.graphs) > 1:
        raise ModelError(
            f"the model has {len(model.graphs)} graphs (control flow), of which only the first can "
            "be planned: give a model without IF and WHILE."
        )
    graph = model.main
    buffers = [*_tensor_buffers(graph), *_scratch(graph, scratch)]
    return Lifetimes(("input", *(operator.name for operator in graph.operators)), tuple(buffers))


def _tensor_buffers(graph: Graph) -> Iterable[Buffer]:
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for index in graph.inputs:
        first.setdefault(index, 0)
        last[index] = 0
    for step, operator in enumerate(graph.operators, start=1):
        for index in operator.outputs:
            first.setdefault(index, step)
            last[index] = step
        last.update((index, step) for index in operator.inputs if index >= 0)
    last.update((index, len(graph.operators)) for index in graph.outputs)
    for index in sorted(each for each in first if each >= 0):  # -1 is one that is left out
        tensor = graph.tensors[index]
        if not tensor.constant:
            yield Buffer(tensor.name, tensor_bytes(tensor), first[index], last[index], index)


def tensor_bytes(tensor: Tensor) -> int:
    """Bytes of a tensor of known size.

    Raises:
        ModelError: a dimension is open, or the type has no fixed size.
    """
    if any(size < 0 for size in tensor.shape):  # TFLM goes by the shape, not by its signature
        raise ModelError(
            f"tensor {tensor.index} ({tensor.name}) has an open size {list(tensor.shape)}: how "
            "much memory it takes is unknown; convert the network with fixed sizes."
        )
    if tensor.dtype not in BITS:
        raise ModelError(
            f"tensor {tensor.index} ({tensor.name}) is {tensor.dtype}, which has no fixed size."
        )
    return (math.prod(tensor.shape) * BITS[tensor.dtype] + 7) // 8


def _scratch(graph: Graph, scratch: Scratch) -> Iterable[Buffer]:
    for step, operator in enumerate(graph.operators, start=1):
        for size in scratch(graph, operator):
            yield Buffer(f"scratch of {operator.name}", size, step, step)
