"""What a model's arena takes in TensorFlow Lite Micro on a 32-bit target, estimated.

The interpreter divides its arena in two: the activations and scratch buffers of an inference, whose
plan is computed here just as the interpreter computes it, and what stays for good (descriptions of
tensors and operators, the kernels' own data), whose sizes follow from TFLM's structures.
"""

from __future__ import annotations

from dataclasses import dataclass

from deploy.graph import Graph, Model, Operator
from deploy.lifetimes import model_lifetimes
from deploy.planner import greedy_plan

# Bytes on a 32-bit target. TfLiteEvalTensor: two pointers and a type. NodeAndRegistration: a
# TfLiteNode of seven words and a pointer. An input or output of the model has a TfLiteTensor with
# its quantization (tensorflow/lite/c/common.h, TF_LITE_STATIC_MEMORY).
EVAL_TENSOR_BYTES = 12
NODE_BYTES = 32
END_TENSOR_BYTES = 56
# The kernels' data, rounded up from what `tflite-micro` records on x86-64, where it is larger: 44
# to 80 bytes an operator, and two int32 (multiplier and shift) an output channel.
OPERATOR_BYTES = 72
CHANNEL_BYTES = 8
# The interpreter's and allocator's own structures, rounded up.
INTERPRETER_BYTES = 400
METHOD = (
    "activations as TFLM plans them (greedy by size, 16-byte alignment, reference kernels); "
    f"persistent part of a 32-bit target estimated: {INTERPRETER_BYTES} bytes, "
    f"{EVAL_TENSOR_BYTES} a tensor, {NODE_BYTES + OPERATOR_BYTES} an operator, {END_TENSOR_BYTES} "
    f"an input or output, {CHANNEL_BYTES} a channel of weighted operators"
)
_CHANNELS_LAST = {"DEPTHWISE_CONV_2D"}  # weights [1, h, w, out]
_WEIGHTED = {"CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", *_CHANNELS_LAST}


@dataclass(frozen=True)
class ArenaEstimate:
    """Bytes of the arena to reserve, estimated.

    Attributes:
        activations_bytes: the plan of activations and scratch buffers.
        persistent_bytes: what stays for as long as the interpreter.
        method: how both were found, in one sentence.
    """

    activations_bytes: int
    persistent_bytes: int
    method: str

    @property
    def arena_bytes(self) -> int:
        """Both together."""
        return self.activations_bytes + self.persistent_bytes


def arena_estimate(model: Model) -> ArenaEstimate:
    """The arena of a model, without running it.

    On the model of tests/data/reference_cnn_int8.tflite a Cortex-M4 takes 19,156 bytes with the
    reference kernels; the estimate is 0 to 2 % above. CMSIS-NN's kernels take some scratch memory
    more (19,796 there).

    Args:
        model: from `read_model`.

    Raises:
        ModelError: control flow, or a tensor of unknown size.
    """
    plan = greedy_plan(model_lifetimes(model))
    return ArenaEstimate(plan.arena_bytes, _persistent_bytes(model.main), METHOD)


def _persistent_bytes(graph: Graph) -> int:
    channels = sum(_channels(graph, operator) for operator in graph.operators)
    return (
        INTERPRETER_BYTES
        + EVAL_TENSOR_BYTES * len(graph.tensors)
        + (NODE_BYTES + OPERATOR_BYTES) * len(graph.operators)
        + END_TENSOR_BYTES * (len(graph.inputs) + len(graph.outputs))
        + CHANNEL_BYTES * channels
    )


def _channels(graph: Graph, operator: Operator) -> int:
    if operator.name not in _WEIGHTED or len(operator.inputs) < 2 or operator.inputs[1] < 0:
        return 0
    shape = graph.tensors[operator.inputs[1]].shape
    return (shape[-1] if operator.name in _CHANNELS_LAST else shape[0]) if shape else 0
