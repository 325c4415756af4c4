"""Pooling, and operators that move values without changing them."""

from __future__ import annotations

import math

import numpy as np

from hintlite.deploy.c_export.activation import fused_range
from hintlite.deploy.c_export.calls import Call, Step, Value
from hintlite.deploy.c_export.errors import ExportError
from hintlite.deploy.c_export.lower_weighted import check_dimensions, padding_before
from hintlite.deploy.c_export.strides import dense_strides, four, merge_axes
from hintlite.deploy.tflite.graph import Graph, Operator


def pool(graph: Graph, operator: Operator) -> Step:
    """AVERAGE_POOL_2D and MAX_POOL_2D."""
    source, out = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
    check_dimensions(source, out)
    kernel_h, kernel_w = operator.integer("filter_height"), operator.integer("filter_width")
    least, most = fused_range(operator, out)
    params: dict[str, Value] = {
        "in_h": source.shape[1],
        "in_w": source.shape[2],
        "channels": source.shape[3],
        "out_h": out.shape[1],
        "out_w": out.shape[2],
        "kernel_h": kernel_h,
        "kernel_w": kernel_w,
        "stride_h": operator.integer("stride_h"),
        "stride_w": operator.integer("stride_w"),
        "pad_top": padding_before(operator, source.shape[1], out.shape[1], kernel_h, "h"),
        "pad_left": padding_before(operator, source.shape[2], out.shape[2], kernel_w, "w"),
        "batches": source.shape[0],
        "out_min": least,
        "out_max": most,
    }
    name = "hintlite_average_pool" if operator.name == "AVERAGE_POOL_2D" else "hintlite_max_pool"
    call = Call(name, "hintlite_pool.c", params, (source.index,), out.index)
    return Step(operator, (call,), (source.index,), out.index)


def constant_integers(graph: Graph, index: int, what: str) -> list[int]:
    """The values of an operand that the file must hold, such as paddings, in one row."""
    tensor = graph.tensors[index]
    if not tensor.constant or tensor.dtype not in ("INT8", "INT32", "INT64"):
        raise ExportError(f"the nearest supported form has constant {what}")
    return [int(value) for value in tensor.values().reshape(-1)]


def pad(graph: Graph, operator: Operator) -> Step:
    """PAD with the output's zero point."""
    source, out = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
    paddings = np.reshape(constant_integers(graph, operator.inputs[1], "paddings"), (-1, 2))
    before = [int(value) for value in paddings[:, 0]]
    targets = dense_strides(out.shape)
    axes = merge_axes(source.shape, dense_strides(source.shape), targets)
    shape, stride, out_stride = four(_ending_dense(axes))
    params: dict[str, Value] = {
        "shape": shape,
        "stride": stride,
        "out_stride": out_stride[:3],
        "out_start": sum(b * t for b, t in zip(before, targets, strict=True)),
        "out_length": out.elements,
        "value": out.zero_point,
    }
    call = Call("hintlite_pad", "hintlite_move.c", params, (source.index,), out.index)
    return Step(operator, (call,), (source.index,), out.index)


def _ending_dense(axes: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Rows are written densely: an axis of one value at the end, if the last has gaps."""
    return axes if axes[-1][2] == 1 else [*axes, (1, 1, 1)]


def concatenation(graph: Graph, operator: Operator) -> Step:
    """CONCATENATION: each input is copied to its place; TFLM converts no scales here."""
    out = graph.tensors[operator.outputs[0]]
    if operator.options["fused_activation_function"] != "NONE":
        raise ExportError("the nearest supported form has no fused activation")
    axis = operator.integer("axis") % len(out.shape)
    row = math.prod(out.shape[axis:])
    calls, offset = [], 0
    for index in operator.inputs:
        tensor = graph.tensors[index]
        if tensor.constant:
            raise ExportError("the nearest supported form has no constant operands")
        part = math.prod(tensor.shape[axis:])
        params: dict[str, Value] = {
            "shape": (1, 1, tensor.elements // part, part),
            "stride": (0, 0, part, 1),
            "out_stride": (0, 0, row),
        }
        calls.append(Call("hintlite_move", "hintlite_move.c", params, (index,), out.index, offset))
        offset += part
    return Step(operator, tuple(calls), tuple(operator.inputs), out.index)


def transpose(graph: Graph, operator: Operator) -> Step:
    """TRANSPOSE, up to four axes that do not merge."""
    source, out = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
    order = constant_integers(graph, operator.inputs[1], "permutation")
    strides = dense_strides(source.shape)
    axes = merge_axes(out.shape, [strides[i] for i in order], dense_strides(out.shape))
    shape, stride, out_stride = four(axes)
    params: dict[str, Value] = {"shape": shape, "stride": stride, "out_stride": out_stride[:3]}
    call = Call("hintlite_move", "hintlite_move.c", params, (source.index,), out.index)
    return Step(operator, (call,), (source.index,), out.index)


def reshape(graph: Graph, operator: Operator) -> Step:
    """RESHAPE, EXPAND_DIMS, SQUEEZE: the same bytes, copied only from end to end of the network."""
    source, out = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
    if source.elements != out.elements:
        raise ExportError(f"{source.elements} values cannot take the shape {out.shape}")
    if (source.index, out.index) != (graph.inputs[0], graph.outputs[0]):
        return Step(operator, (), (source.index,), out.index, alias=True)
    params: dict[str, Value] = {
        "shape": (1, 1, 1, out.elements),
        "stride": (0, 0, 0, 1),
        "out_stride": (0, 0, 0),
    }
    call = Call("hintlite_move", "hintlite_move.c", params, (source.index,), out.index)
    return Step(operator, (call,), (source.index,), out.index)
