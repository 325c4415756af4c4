"""Whose float weights an INT8 file rounds: operators are matched by name, then by place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.explain.simulate import FloatWeights
from hintlite.deploy.tflite.graph import Array, Graph, Operator, Tensor
from hintlite.deploy.tflite.inspect import is_parameter

# Share of an operator's weights that must lie within a step of the float ones, or be clipped.
LEAST_ROUNDED = 0.99
_CONVERSIONS = frozenset({"QUANTIZE", "DEQUANTIZE"})


@dataclass(frozen=True)
class Matching:
    """The float file beside the INT8 file.

    Attributes:
        weights: the float weights that the INT8 file rounds; empty where it does not.
        remarks: a sentence for each thing that does not match.
    """

    weights: FloatWeights
    remarks: tuple[str, ...]


def match(float_graph: Graph, int8_graph: Graph) -> Matching:
    """Find the float weights of each INT8 operator.

    Both conversions of one network give the tensors the same names. Operators whose output has
    another name are matched by their place, if both files have the same operators in the same
    order. The weights count only if the INT8 ones are the float ones, rounded or clipped: after
    fine-tuning or equalization they are not, and then the INT8 file is compared with its own
    weights, not rounded further.

    Args:
        float_graph: of the float file.
        int8_graph: of the INT8 file.
    """
    partners = find_partners(float_graph, int8_graph)
    weights: dict[tuple[int, int], NDArray[np.float32]] = {}
    for operator in int8_graph.operators:
        if not _quantized_weights(int8_graph, operator):
            continue
        name = f"operator {operator.index} ({operator.name})"
        partner = partners.get(operator.index)
        if partner is None:
            return _own(f"The float file has no operator for {name} of the INT8 file")
        share = 1.0
        for position, stored, real in _pairs(float_graph, partner, int8_graph, operator):
            weights[operator.index, position] = real.real_values().astype(np.float32)
            if stored.dtype not in {"INT32", "INT64"}:  # biases may be corrected
                share = min(share, rounded_share(stored, weights[operator.index, position]))
        if share < LEAST_ROUNDED or (operator.index, _kernel(int8_graph, operator)) not in weights:
            return _own(
                f"The weights of {name} are not those of the float file, rounded: it was "
                "fine-tuned, equalized, or is another network"
            )
    return Matching(weights, ())


def _own(reason: str) -> Matching:
    remark = (
        f"{reason}. Errors are therefore counted against the INT8 file's own weights with nothing "
        "else rounded, not against the float file."
    )
    return Matching({}, (remark,))


def find_partners(float_graph: Graph, int8_graph: Graph) -> dict[int, Operator]:
    """The float operator of each INT8 operator, by its index; conversions between types have none.

    Args:
        float_graph, int8_graph: see `match`.
    """
    named = {_result(float_graph, operator): operator for operator in _computing(float_graph)}
    ours, theirs = list(_computing(int8_graph)), list(_computing(float_graph))
    in_step = [_form(int8_graph, o) for o in ours] == [_form(float_graph, o) for o in theirs]
    partners = {}
    for place, operator in enumerate(ours):
        found = named.get(_result(int8_graph, operator))
        if found is None or _form(float_graph, found) != _form(int8_graph, operator):
            found = theirs[place] if in_step else None
        if found is not None:
            partners[operator.index] = found
    return partners


def rounded_share(stored: Tensor, real: Array) -> float:
    """Share of weights that are the float ones within a step, or as near as clipping leaves them.

    Args:
        stored: constant integers with scales.
        real: float values of the same shape.
    """
    scales, zero_points = stored.broadcast_quantization()
    codes = stored.values().astype(np.float64)
    wanted = np.divide(real, scales, out=np.zeros(real.shape), where=scales > 0) + zero_points
    above = (codes == codes.max(initial=0)) & (wanted > codes)
    below = (codes == codes.min(initial=0)) & (wanted < codes)
    near = np.abs(wanted - codes) <= 1
    return float(np.mean(near | above | below)) if codes.size else 1.0


def _computing(graph: Graph) -> Iterator[Operator]:
    return (operator for operator in graph.operators if operator.name not in _CONVERSIONS)


def _result(graph: Graph, operator: Operator) -> str:
    return graph.tensors[operator.outputs[0]].name


def _form(graph: Graph, operator: Operator) -> tuple[str, tuple[int, ...]]:
    return operator.name, graph.tensors[operator.outputs[0]].shape


def _quantized_weights(graph: Graph, operator: Operator) -> list[tuple[int, Tensor]]:
    """(position, tensor) of every constant that is stored as integers with scales."""
    inputs = [(p, graph.tensors[index]) for p, index in enumerate(operator.inputs) if index >= 0]
    return [(p, t) for p, t in inputs if is_parameter(t) and t.quantization is not None]


def _kernel(graph: Graph, operator: Operator) -> int:
    """Position of the largest constant."""
    return max(_quantized_weights(graph, operator), key=lambda pair: pair[1].elements)[0]


def _pairs(
    float_graph: Graph, partner: Operator, int8_graph: Graph, operator: Operator
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """(position, INT8 constant, float constant) wherever both are there in one shape."""
    for position, stored in _quantized_weights(int8_graph, operator):
        index = partner.inputs[position] if position < len(partner.inputs) else -1
        if index >= 0 and float_graph.tensors[index].constant:
            real = float_graph.tensors[index]
            if real.shape == stored.shape and "FLOAT" in real.dtype:
                yield position, stored, real
