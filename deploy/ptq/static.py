"""A float file made integer throughout, with ranges of our own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hintlite.deploy.convert.checks import ConversionError, require_full_int8, require_live_tensors
from hintlite.deploy.ptq.edge_quantizer import quantize_file
from hintlite.deploy.ptq.estimators import INT8_GRID, INT16_GRID, Grid, Range, estimate
from hintlite.deploy.ptq.histogram import Histogram
from hintlite.deploy.ptq.observe import activations
from hintlite.deploy.ptq.plan import Plan, uniform
from hintlite.deploy.ptq.precision import FLOAT
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.full_integer import full_integer_faults
from hintlite.deploy.tflite.graph import Graph, Model

_INT32_MAX = 2**31 - 1
# Operators whose inputs must have the step of their output.
_LIKE_OUTPUT = frozenset({"MAXIMUM", "CONCATENATION"})


@dataclass(frozen=True)
class Choices:
    """How ranges and precisions are chosen.

    Attributes:
        ranges: the estimator of activation ranges, a key of `estimators.ESTIMATORS`.
        percentile: the share that the estimator of this name keeps, in percent.
        weight_ranges: that of weights, a key of `edge_quantizer.ALGORITHMS`.
        activation_bits: 8 or 16.
        weight_bits: 4 or 8.
    """

    ranges: str = "minmax"
    percentile: float = 99.99
    weight_ranges: str = "minmax"
    activation_bits: int = 8
    weight_bits: int = 8


def to_integer(content: bytes, seen: Mapping[str, Histogram], choices: Choices) -> bytes:
    """Quantize a float file throughout, input and output included.

    Args:
        content: the bytes of a float32 `.tflite` file.
        seen: what `observe` found on the calibration samples.
        choices: how.

    Returns:
        The bytes of a file whose every operator computes on integers, checked.

    Raises:
        ConversionError: an operator or a tensor for which that cannot be done.
    """
    graph = read_model(content).main
    plan = uniform(graph, choices.activation_bits, choices.weight_bits)
    made = quantize_file(
        content, plan, tensor_ranges(graph, plan, seen, choices), choices.weight_ranges
    )
    if choices.activation_bits == 8:
        require_full_int8(made)
    else:
        _require_int16(read_model(made))
    check_biases(read_model(made), choices.weight_ranges)
    return made


def tensor_ranges(
    graph: Graph, plan: Plan, seen: Mapping[str, Histogram], choices: Choices
) -> dict[str, Range]:
    """The range of every activation.

    Inputs of MAXIMUM and CONCATENATION that nothing else reads take the range of the output: the
    kernels need equal steps, and what is cut off there would be cut off behind them.

    Returns:
        Tensor name -> range.
    """
    grids = _grids(graph, plan)
    ranges = {
        tensor.name: estimate(
            seen[tensor.name],
            choices.ranges,
            grids.get(tensor.index, INT8_GRID),
            choices.percentile,
        )
        for tensor in activations(graph)
    }
    readers = Counter(index for operator in graph.operators for index in operator.inputs)
    for operator in reversed(graph.operators):
        if operator.name in _LIKE_OUTPUT and plan.operators[operator.index] is not FLOAT:
            own = ranges[graph.tensors[operator.outputs[0]].name]
            for index in operator.inputs:
                name = graph.tensors[index].name
                if readers[index] == 1 and name in ranges and index not in graph.outputs:
                    ranges[name] = own
    return ranges


def _grids(graph: Graph, plan: Plan) -> dict[int, Grid]:
    """Tensor index -> the coarsest grid that an operator around it wants."""
    grids: dict[int, Grid] = {}
    for operator in graph.operators:
        precision = plan.operators[operator.index]
        for index in (*operator.inputs, *operator.outputs):
            if precision is not FLOAT and grids.get(index, INT16_GRID) is INT16_GRID:
                grids[index] = precision.grid
    return grids


def _require_int16(model: Model) -> None:
    faults = full_integer_faults(model, "INT16")
    if faults:
        culprit = next((fault for fault in faults if not fault.between_types), faults[0])
        raise ConversionError(
            f"The file is not integer throughout: {culprit} There is no INT16 kernel for what the "
            "network does there: replace that layer, or set quantize.activations to int8."
        )
    require_live_tensors(model)


def check_biases(model: Model, weight_ranges: str) -> None:
    """Refuses biases at the ends of INT32, which stand for larger ones.

    Args:
        model: a quantized file.
        weight_ranges: how the ranges of its weights were chosen, see `Choices`.

    Raises:
        ConversionError: names the operator.
    """
    for operator in model.main.operators:
        for index in operator.inputs[2:]:
            tensor = model.main.tensors[index] if index >= 0 else None
            if tensor is None or not tensor.constant or tensor.dtype not in {"INT32", "INT64"}:
                continue
            stored = tensor.values().astype(np.int64)
            if tensor.quantization and np.abs(stored).max(initial=0) >= _INT32_MAX:
                raise ConversionError(
                    f"Operator {operator.index} ({operator.name}) has a channel whose weights are "
                    f"too small beside its bias: tensor {index} '{tensor.name}' leaves the range "
                    f"of INT32. {_cure(weight_ranges)}"
                )


def _cure(weight_ranges: str) -> str:
    if weight_ranges != "minmax":
        return (
            "Set quantize.weight_ranges to minmax, which widens the weights' range there "
            f"({weight_ranges} does not)."
        )
    return (
        "The weights' range was widened there, but the operator's input hardly differs from 0 on "
        "the calibration samples: calibrate with others, or replace that layer."
    )
