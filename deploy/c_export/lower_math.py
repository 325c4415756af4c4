"""Elementwise operators, MEAN and SOFTMAX."""

from __future__ import annotations

import math

import numpy as np

from hintlite.deploy.c_export.activation import activation_table, fused_range
from hintlite.deploy.c_export.calls import Call, Constant, Operand, Step, Value
from hintlite.deploy.c_export.errors import ExportError
from hintlite.deploy.c_export.fixed_point import quantize_multiplier
from hintlite.deploy.c_export.lower_move import constant_integers
from hintlite.deploy.c_export.strides import dense_strides, four, merge_axes
from hintlite.deploy.tflite.graph import Graph, Operator, Tensor

_HEADROOM_BITS = 20  # of ADD and SUB
_SOFTMAX_INTEGER_BITS = 5
# The sum of exponentials has 12 integer bits, and from 2^10 on its reciprocal would be shifted by
# more than the 32 bits of a word.
_SOFTMAX_LONGEST = 1023


def _operands(graph: Graph, operator: Operator) -> list[Tensor]:
    found = [graph.tensors[i] for i in operator.inputs[:2]]
    if any(t.dtype != "INT8" for t in found):
        raise ExportError("the nearest supported form has two int8 operands")
    return found


def _broadcast_strides(shape: tuple[int, ...], out: tuple[int, ...]) -> list[int]:
    """Strides of an operand along the output's axes, 0 where it is repeated."""
    aligned = (1,) * (len(out) - len(shape)) + shape
    if any(s not in (1, o) for s, o in zip(aligned, out, strict=True)):
        raise ExportError(f"shapes {shape} and {out} do not broadcast")
    strides = dense_strides(aligned)
    return [0 if s == 1 else d for s, d in zip(aligned, strides, strict=True)]


def _binary(
    graph: Graph, operator: Operator, function: str, source: str, params: dict[str, Value]
) -> Step:
    """A call of two operands; constants become operands that stand in the C source."""
    out = graph.tensors[operator.outputs[0]]
    operands = _operands(graph, operator)
    axes = merge_axes(out.shape, *(_broadcast_strides(t.shape, out.shape) for t in operands))
    shape, stride_a, stride_b = four(axes)
    walk: dict[str, Value] = {"shape": shape, "stride_a": stride_a, "stride_b": stride_b}
    arguments: tuple[Operand, ...] = tuple(
        Constant(t.values().reshape(-1), "weights") if t.constant else t.index for t in operands
    )
    reads = tuple(t.index for t in operands if not t.constant)
    whole = tuple(t.index for t in operands if not t.constant and t.elements == out.elements)
    call = Call(function, source, walk | params, arguments, out.index)
    return Step(operator, (call,), reads, out.index, in_place=whole)


def _zeros_and_range(operator: Operator, a: Tensor, b: Tensor, out: Tensor) -> dict[str, Value]:
    least, most = fused_range(operator, out)
    return {
        "zero_a": a.zero_point,
        "zero_b": b.zero_point,
        "out_zero": out.zero_point,
        "out_min": least,
        "out_max": most,
    }


def add(graph: Graph, operator: Operator) -> Step:
    """ADD and SUB."""
    (a, b), out = _operands(graph, operator), graph.tensors[operator.outputs[0]]
    params = _zeros_and_range(operator, a, b, out)
    params["subtract"] = 1 if operator.name == "SUB" else 0
    factors = _sum_factors(operator, a, b, out)
    for name, (multiplier, shift) in zip(("a", "b", "out"), factors, strict=True):
        params |= {f"multiplier_{name}": multiplier, f"shift_{name}": shift}
    return _binary(graph, operator, "hintlite_add", "hintlite_add.c", params)


def _sum_factors(operator: Operator, a: Tensor, b: Tensor, out: Tensor) -> list[tuple[int, int]]:
    """Both inputs on twice the larger scale, and that scale on the output's.

    TFLM computes these factors in double for ADD and in single precision for SUB.
    """
    if operator.name == "ADD":
        common = 2.0 * max(a.scale, b.scale)
        reals = [a.scale / common, b.scale / common, common / (2.0**_HEADROOM_BITS * out.scale)]
    else:
        single = np.float32(2.0) * np.float32(max(a.scale, b.scale))
        target = np.float32(2.0**_HEADROOM_BITS) * np.float32(out.scale)
        reals = [float(np.float32(t.scale) / single) for t in (a, b)]
        reals.append(float(single / target))
    if max(reals) >= 1.0:
        raise ExportError("the output's scale is too small for the inputs'; recalibrate the model")
    return [quantize_multiplier(real) for real in reals]


def mul(graph: Graph, operator: Operator) -> Step:
    """MUL."""
    (a, b), out = _operands(graph, operator), graph.tensors[operator.outputs[0]]
    multiplier, shift = quantize_multiplier(a.scale * b.scale / out.scale)
    params = _zeros_and_range(operator, a, b, out)
    params |= {"multiplier_out": multiplier, "shift_out": shift}
    return _binary(graph, operator, "hintlite_mul", "hintlite_mul.c", params)


def extremum(graph: Graph, operator: Operator) -> Step:
    """MAXIMUM and MINIMUM: TFLM compares the numbers as they are."""
    function = f"hintlite_{operator.name.lower()}"
    return _binary(graph, operator, function, "hintlite_extremum.c", {})


def table(graph: Graph, operator: Operator) -> Step:
    """Activations of one operand: 256 results, computed here."""
    source, out = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
    values = Constant(activation_table(operator, source, out), "tables")
    params: dict[str, Value] = {"table": values, "length": out.elements}
    call = Call("hintlite_lookup", "hintlite_lookup.c", params, (source.index,), out.index)
    return Step(operator, (call,), (source.index,), out.index, in_place=(source.index,))


def softmax(graph: Graph, operator: Operator) -> Step:
    """SOFTMAX along the last axis, to steps of 1/256."""
    source, out = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
    if out.scale != 1.0 / 256.0 or out.zero_point != -128:
        raise ExportError("expected the output's scale 1/256 and zero point -128")
    if out.shape[-1] > _SOFTMAX_LONGEST:
        raise ExportError(
            f"rows of {out.shape[-1]} values, the most is {_SOFTMAX_LONGEST}; the nearest "
            "supported form ends before SOFTMAX: its input has the same order"
        )
    beta = operator.number("beta")
    real = min(beta * source.scale * 2.0 ** (31 - _SOFTMAX_INTEGER_BITS), 2.0**31 - 1.0)
    if real <= 1.0:
        raise ExportError("the input's scale times beta is too small; recalibrate the model")
    multiplier, shift = quantize_multiplier(real)
    whole = 2.0**_SOFTMAX_INTEGER_BITS - 1.0
    radius = math.floor(whole * 2.0 ** (31 - _SOFTMAX_INTEGER_BITS) / 2.0**shift)
    params: dict[str, Value] = {
        "rows": out.elements // out.shape[-1],
        "length": out.shape[-1],
        "multiplier": multiplier,
        "left_shift": shift,
        "least": -radius,
    }
    call = Call("hintlite_softmax", "hintlite_softmax.c", params, (source.index,), out.index)
    return Step(operator, (call,), (source.index,), out.index)


def _mean_factor(source: Tensor, out: Tensor, count: int) -> tuple[int, int]:
    """The factor with 1 / count folded in; the shift is held where TFLM holds it."""
    multiplier, shift = quantize_multiplier(source.scale / out.scale)
    bits = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << bits) // count, shift - bits


def mean(graph: Graph, operator: Operator) -> Step:
    """MEAN over any axes."""
    source, out = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
    rank = len(source.shape)
    reduced = {axis % rank for axis in constant_integers(graph, operator.inputs[1], "axes")}
    strides = dense_strides(source.shape)
    kept = [(source.shape[i], strides[i]) for i in range(rank) if i not in reduced]
    dropped = [(source.shape[i], strides[i]) for i in range(rank) if i in reduced]
    count = math.prod(size for size, _ in dropped)
    multiplier, shift = _mean_factor(source, out, count)
    params: dict[str, Value] = {"offset": -source.zero_point * count, "out_zero": out.zero_point}
    params |= {"multiplier": multiplier, "shift": shift}
    for prefix, part in (("", kept), ("reduced_", dropped)):
        merged = merge_axes(tuple(s for s, _ in part), [d for _, d in part])
        params[f"{prefix}shape"], params[f"{prefix}stride"] = four(merged)
    call = Call("hintlite_mean", "hintlite_mean.c", params, (source.index,), out.index)
    return Step(operator, (call,), (source.index,), out.index)
