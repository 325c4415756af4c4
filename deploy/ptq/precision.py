"""The precisions an operator can be given, and which operators have kernels for them."""

from __future__ import annotations

from dataclasses import dataclass

from hintlite.deploy.ptq.estimators import INT8_GRID, INT16_GRID, Grid
from hintlite.deploy.tflite.graph import Graph, Operator, Tensor

WEIGHTED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})
# LiteRT unpacks 4-bit weights of these alone; ai-edge-quantizer offers no others.
INT4_OPERATORS = frozenset({"CONV_2D", "FULLY_CONNECTED"})


@dataclass(frozen=True)
class Precision:
    """How an operator computes.

    Attributes:
        name: as settings and records write it.
        weight_bits: 4, 8, or 32 for float weights.
        activation_bits: 8, 16, or 32 for float activations.
    """

    name: str
    weight_bits: int
    activation_bits: int

    @property
    def grid(self) -> Grid:
        """The integers of its activations."""
        return INT16_GRID if self.activation_bits == 16 else INT8_GRID


INT4 = Precision("int4", 4, 8)
INT8 = Precision("int8", 8, 8)
INT16 = Precision("int16x8", 8, 16)
INT16X4 = Precision("int16x4", 4, 16)
FLOAT = Precision("float32", 32, 32)


def of_bits(activation_bits: int, weight_bits: int) -> Precision:
    """The integer precision with these bits.

    Raises:
        KeyError: there is none.
    """
    every = (INT4, INT8, INT16, INT16X4)
    return {(each.activation_bits, each.weight_bits): each for each in every}[
        activation_bits, weight_bits
    ]


def weight(graph: Graph, operator: Operator) -> Tensor | None:
    """The constant weights of a convolution or dense layer, None where there are none."""
    if operator.name not in WEIGHTED or len(operator.inputs) < 2:
        return None
    tensor = graph.tensors[operator.inputs[1]]
    return tensor if tensor.constant else None
