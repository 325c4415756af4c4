"""What each kernel of TensorFlow Lite Micro keeps in the arena for one operator of a model."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hintlite.deploy.mcu import cmsis_nn
from hintlite.deploy.mcu.abi import layout
from hintlite.deploy.mcu.operators import OperatorFacts, operator_facts
from hintlite.deploy.mcu.structures import Build
from hintlite.deploy.tflite.graph import Graph, ModelError, Operator
from hintlite.deploy.tflite.macs import count_operator_macs

KERNELS = ("reference", "cmsis_nn_dsp", "cmsis_nn_mve")
_MVE = KERNELS[-1]
# For an OpData whose fields are not in the table: every one that was looked at is smaller.
UNKNOWN_DATA_BYTES = 256
_REDUCTIONS = ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN")
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_IMAGES = ("CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D")
# How many inputs and outputs the formulas look at.
_OPERANDS = {
    **dict.fromkeys(_WEIGHTED, (2, 1)),
    **dict.fromkeys(_REDUCTIONS, (2, 1)),
    "AVERAGE_POOL_2D": (1, 1),
    "TRANSPOSE_CONV": (0, 1),
}


@dataclass(frozen=True)
class KernelMemory:
    """One operator's share of the arena, in bytes.

    Args:
        options: (size, alignment) of its parsed options, (0, 1) where there are none.
        data: its OpData, 0 where it has none.
        arrays: what it keeps beside that, one number an allocation.
        scratch: what it asks for while it runs, one number a buffer.
        looks: how many times it has its tensors' descriptions at once while it prepares.
        known: False where the size of OpData is an assumed one.
    """

    options: tuple[int, int]
    data: int
    arrays: tuple[int, ...]
    scratch: tuple[int, ...]
    looks: int
    known: bool


def kernel_memory(graph: Graph, operator: Operator, build: Build, kernels: str) -> KernelMemory:
    """What an operator takes.

    Args:
        graph: the model's graph.
        operator: one of its operators.
        build: how the interpreter is built.
        kernels: one of KERNELS.

    Raises:
        ModelError: TFLM has no such operator.
    """
    facts = operator_facts(operator)
    _check_outputs(operator)
    scratch = scratch_buffers(graph, operator, kernels)
    arrays = _arrays(graph, operator)
    if kernels != "reference":
        arrays += _cmsis_arrays(graph, operator, kernels == _MVE)
    return KernelMemory(
        options=layout(facts.options, build.abi) if facts.options else (0, 1),
        data=_data_bytes(facts, build, kernels),
        arrays=arrays,
        scratch=scratch,
        # Others (conv_common.cc, reduce_common.cc) ask for each tensor a second time.
        looks=1 if operator.name == "FULLY_CONNECTED" else 2,
        known=facts.data is not None,
    )


def scratch_buffers(
    graph: Graph, operator: Operator, kernels: str = "reference"
) -> tuple[int, ...]:
    """Bytes of each scratch buffer that an operator's kernel asks for while it runs.

    Args:
        graph: the model's graph.
        operator: one of its operators; those that TFLM does not have ask for none.
        kernels: one of KERNELS.

    Raises:
        ModelError: it lacks operands.
    """
    _check_operands(graph, operator)
    own = _reference_scratch(graph, operator)
    if kernels == "reference":
        return own
    return own + tuple(filter(None, [cmsis_nn.scratch_bytes(graph, operator, kernels == _MVE)]))


def _check_outputs(operator: Operator) -> None:
    if min(operator.outputs, default=0) < 0:
        raise ModelError(
            f"Operator {operator.index} ({operator.name}) leaves out an output, for which "
            "TensorFlow Lite Micro has no memory: convert the model again."
        )


def _check_operands(graph: Graph, operator: Operator) -> None:
    """Refuse an operator without the operands that the formulas below look at."""
    count_operator_macs(graph, operator)  # checks those of weighted operators
    inputs, outputs = _OPERANDS.get(operator.name, (0, 0))
    few = len(operator.inputs) < inputs or len(operator.outputs) < outputs
    used = (*operator.inputs[:inputs], *operator.outputs[:outputs])
    if few or min(used, default=0) < 0:
        raise ModelError(
            f"Operator {operator.index} ({operator.name}) needs {inputs} inputs and {outputs} "
            f"outputs, it has {len(operator.inputs)} and {len(operator.outputs)}: the file is "
            "damaged."
        )
    image = graph.tensors[operator.inputs[0]] if inputs else None
    if image is not None and operator.name in _IMAGES and len(image.shape) != 4:
        raise ModelError(
            f"Operator {operator.index} ({operator.name}) works on images of rank 4, got a tensor "
            f"of shape {list(image.shape)}: the file is damaged."
        )


def _data_bytes(facts: OperatorFacts, build: Build, kernels: str) -> int:
    if facts.data is None:
        return UNKNOWN_DATA_BYTES
    fields = facts.data
    fields += f"{facts.compressed}i" if build.compressed and facts.compressed else ""
    fields += facts.cmsis if kernels != "reference" else ""
    return layout(fields, build.abi)[0] if fields else 0


def _arrays(graph: Graph, operator: Operator) -> tuple[int, ...]:
    """Multipliers and shifts of each channel; scales and zero points of each joined tensor."""
    if operator.name == "CONCATENATION":
        return (4 * len(operator.inputs),) * 2
    if operator.name not in _WEIGHTED:
        return ()
    weights = graph.tensors[operator.inputs[1]]
    quantization = weights.quantization
    if operator.name == "FULLY_CONNECTED" and not (quantization and quantization.per_channel):
        return ()
    channels = graph.tensors[operator.outputs[0]].shape[-1]
    return (4 * channels,) * 2


def _cmsis_arrays(graph: Graph, operator: Operator, mve: bool) -> tuple[int, ...]:
    if operator.name != "FULLY_CONNECTED":
        return ()
    output = graph.tensors[operator.outputs[0]].shape
    depth = graph.tensors[operator.inputs[1]].shape[-1]
    if len(output) > 2 and depth % 4 == 0:  # runs as a convolution of 1x1
        return (4 * output[-1],) * 2
    return tuple(filter(None, [cmsis_nn.kernel_sums_bytes(graph, operator, mve)]))


def _reference_scratch(graph: Graph, operator: Operator) -> tuple[int, ...]:
    """kernels/reduce_common.cc; unpacked weights of 4 bits in conv.cc and fully_connected.cc."""
    if operator.name in _REDUCTIONS:
        # The published PrepareMeanOrSumHelper asks for the sums alone, PrepareMinMaxHelper for the
        # two lists alone; the record of the package tflite-micro shows all three for MEAN and SUM.
        source, axes = (graph.tensors[i] for i in operator.inputs[:2])
        sums = (4 * graph.tensors[operator.outputs[0]].elements,)
        lists = (4 * len(source.shape), 4 * math.prod(axes.shape))
        return lists + (sums if operator.name in ("MEAN", "SUM") else ())
    if operator.name in _WEIGHTED and graph.tensors[operator.inputs[1]].dtype == "INT4":
        return (graph.tensors[operator.inputs[1]].elements,)
    if operator.name == "TRANSPOSE_CONV":
        return (4 * graph.tensors[operator.outputs[0]].elements,)
    return ()
