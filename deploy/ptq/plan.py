"""Which operator of a float file gets which precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hintlite.deploy.ptq.precision import FLOAT, INT4_OPERATORS, Precision, of_bits, weight
from hintlite.deploy.tflite.graph import Graph, Operator

Able = Callable[[str, Precision], bool]


@dataclass(frozen=True)
class Plan:
    """Precisions of a whole graph.

    Attributes:
        operators: operator index -> its precision, for every operator.
        input: of the model's input.
        output: of the model's output.
    """

    operators: Mapping[int, Precision]
    input: Precision
    output: Precision


def uniform(graph: Graph, activation_bits: int, weight_bits: int) -> Plan:
    """One precision throughout.

    4-bit weights are given to the operators that have a kernel for them (`INT4_OPERATORS`);
    others, depthwise convolutions first of all, keep 8 bits.

    Args:
        graph: of a float file.
        activation_bits: 8 or 16.
        weight_bits: 4 or 8.
    """
    few, eight = of_bits(activation_bits, weight_bits), of_bits(activation_bits, 8)
    operators = {
        operator.index: few if _has_few(graph, operator) else eight for operator in graph.operators
    }
    return Plan(operators, input=eight, output=eight)


def _has_few(graph: Graph, operator: Operator) -> bool:
    return operator.name in INT4_OPERATORS and weight(graph, operator) is not None


def following(graph: Graph, chosen: Mapping[int, Precision], able: Able) -> Plan:
    """A plan from the choice for the operators with weights.

    An operator without weights computes as precisely as the most precise one that feeds it, so
    that nothing is rounded between two precise layers; one that has no integer kernel in float.
    The input takes the precision of the operators that read it where they agree, else float; the
    output that of the operator that computes it.

    Args:
        graph: of a float file.
        chosen: operator index -> precision, for each operator with weights.
        able: whether an operator of that name has a kernel of that precision.
    """
    sources: dict[int, Precision] = {}
    operators: dict[int, Precision] = {}
    for operator in graph.operators:
        fed = [sources[index] for index in operator.inputs if index in sources]
        precision = chosen.get(operator.index) or _most_precise(fed) or _read_first(graph, chosen)
        operators[operator.index] = precision if able(operator.name, precision) else FLOAT
        sources.update(dict.fromkeys(operator.outputs, _activations(operators[operator.index])))
    readers = {
        _activations(operators[operator.index])
        for operator in graph.operators
        if set(operator.inputs) & set(graph.inputs)
    }
    return Plan(
        operators,
        input=readers.pop() if len(readers) == 1 else FLOAT,
        output=sources.get(graph.outputs[0], FLOAT),
    )


def _activations(precision: Precision) -> Precision:
    """The precision of an operator without weights among such activations."""
    return FLOAT if precision is FLOAT else of_bits(precision.activation_bits, 8)


def _most_precise(precisions: list[Precision]) -> Precision | None:
    return max(precisions, key=lambda each: each.activation_bits, default=None)


def _read_first(graph: Graph, chosen: Mapping[int, Precision]) -> Precision:
    """Of an operator that reads the model's input alone (padding): that of the first layer."""
    first = next((chosen[o.index] for o in graph.operators if o.index in chosen), FLOAT)
    return _activations(first)
