"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED: weights, biases and factors folded."""

from __future__ import annotations

import numpy as np

from hintlite.deploy.c_export.activation import fused_range
from hintlite.deploy.c_export.calls import Call, Constant, Step, Value
from hintlite.deploy.c_export.errors import ExportError
from hintlite.deploy.c_export.fixed_point import quantize_multiplier
from hintlite.deploy.tflite.graph import Array, Graph, Operator, Tensor

_LARGEST = 32767


def _weights(graph: Graph, operator: Operator) -> Tensor:
    weights = graph.tensors[operator.inputs[1]]
    if not weights.constant or weights.dtype != "INT8":
        raise ExportError("the nearest supported form has constant int8 weights")
    if weights.quantization and any(weights.quantization.zero_points):
        raise ExportError("the nearest supported form has weights with zero point 0")
    return weights


def _bias(graph: Graph, operator: Operator, channels: int) -> Array:
    """The int32 bias as int64, zeros if the operator has none."""
    if len(operator.inputs) < 3 or operator.inputs[2] < 0:
        return np.zeros(channels, np.int64)
    bias = graph.tensors[operator.inputs[2]]
    if not bias.constant or bias.dtype != "INT32":
        raise ExportError("the nearest supported form has a constant int32 bias")
    return bias.values().astype(np.int64).reshape(channels)


def _wrapped(values: Array) -> Constant:
    """int64 -> int32 with the same low bits: sums wrap, as they do in TFLM."""
    return Constant(values.astype(np.uint32).view(np.int32), "biases")


def _factors(source: Tensor, weights: Tensor, out: Tensor) -> list[tuple[int, int]]:
    """Multiplier and shift for each scale of the weights (TFLM forms the product in double)."""
    return [quantize_multiplier(source.scale * s / out.scale) for s in weights.scales]


def _factor_fields(factors: list[tuple[int, int]], channels: int) -> dict[str, Value]:
    if len(factors) not in (1, channels):
        raise ExportError(f"expected 1 or {channels} weight scales, found {len(factors)}")
    return {
        "multiplier": Constant(np.array([m for m, _ in factors], np.int32), "tables"),
        "shift": Constant(np.array([s for _, s in factors], np.int8), "tables"),
        "channel_step": 0 if len(factors) == 1 else 1,
    }


def padding_before(operator: Operator, size: int, out: int, kernel: int, axis: str) -> int:
    """Padding at the top or the left: half of what SAME needs, rounded down."""
    if operator.options["padding"] != "SAME":
        return 0
    factor = f"dilation_{axis}_factor"  # pools have none
    dilation = operator.integer(factor) if factor in operator.options else 1
    reach = (out - 1) * operator.integer(f"stride_{axis}") + (kernel - 1) * dilation + 1
    return max(reach - size, 0) // 2


def check_dimensions(source: Tensor, out: Tensor) -> None:
    """Images are [batch, h, w, c], and each size fits the int16 fields of the parameters."""
    if len(source.shape) != 4 or len(out.shape) != 4:
        raise ExportError(f"expected 4 dimensions, found {source.shape} and {out.shape}")
    if max(*source.shape, *out.shape) > _LARGEST:
        raise ExportError(f"the nearest supported form has no dimension above {_LARGEST}")


def _geometry(
    operator: Operator, source: Tensor, out: Tensor, kernel: tuple[int, int]
) -> dict[str, Value]:
    """Sizes and steps that convolutions share; [batch, h, w, c] tensors."""
    check_dimensions(source, out)
    return {
        "in_h": source.shape[1],
        "in_w": source.shape[2],
        "in_c": source.shape[3],
        "out_h": out.shape[1],
        "out_w": out.shape[2],
        "kernel_h": kernel[0],
        "kernel_w": kernel[1],
        "stride_h": operator.integer("stride_h"),
        "stride_w": operator.integer("stride_w"),
        "dilation_h": operator.integer("dilation_h_factor"),
        "dilation_w": operator.integer("dilation_w_factor"),
        "pad_top": padding_before(operator, source.shape[1], out.shape[1], kernel[0], "h"),
        "pad_left": padding_before(operator, source.shape[2], out.shape[2], kernel[1], "w"),
        "batches": source.shape[0],
    }


def _output_fields(operator: Operator, out: Tensor) -> dict[str, Value]:
    least, most = fused_range(operator, out)
    return {"out_zero": out.zero_point, "out_min": least, "out_max": most}


def _rows(matrix: Array) -> tuple[Constant, int]:
    """[rows, length] weights with rows lengthened to a multiple of four by zeros."""
    length = matrix.shape[1]
    row_bytes = -(-length // 4) * 4
    padded = np.zeros((matrix.shape[0], row_bytes), np.int8)
    padded[:, :length] = matrix
    return Constant(padded.reshape(-1), "weights"), row_bytes


def _folded(graph: Graph, operator: Operator, matrix: Array, zero_point: int) -> Constant:
    """sum(w * (x - zero)) + bias = sum(w * x) + (bias - zero * sum(w))."""
    bias = _bias(graph, operator, matrix.shape[0])
    return _wrapped(bias - zero_point * matrix.astype(np.int64).sum(axis=1))


def conv(graph: Graph, operator: Operator) -> Step:
    """CONV_2D with weights [out_c, kernel_h, kernel_w, in_c]."""
    source, out = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
    weights = _weights(graph, operator)
    out_c, kernel_h, kernel_w, depth = weights.shape
    if depth != source.shape[-1]:
        raise ExportError(
            f"weights of depth {depth} on {source.shape[-1]} channels (a grouped convolution); "
            "the nearest supported form is DEPTHWISE_CONV_2D or an ungrouped CONV_2D"
        )
    matrix = weights.values().reshape(out_c, -1)
    rows, row_bytes = _rows(matrix)
    params: dict[str, Value] = {
        "weights": rows,
        "bias": _folded(graph, operator, matrix, source.zero_point),
        "row_bytes": row_bytes,
        "row_length": matrix.shape[1],
        "out_c": out_c,
        "in_zero": source.zero_point,
        **_factor_fields(_factors(source, weights, out), out_c),
        **_geometry(operator, source, out, (kernel_h, kernel_w)),
        **_output_fields(operator, out),
    }
    call = Call("hintlite_conv", "hintlite_conv.c", params, (source.index,), out.index)
    columns = 4 if depth % 4 == 0 else 5  # see hintlite_conv_params
    return Step(operator, (call,), (source.index,), out.index, scratch_bytes=columns * row_bytes)


def depthwise(graph: Graph, operator: Operator) -> Step:
    """DEPTHWISE_CONV_2D with weights [1, kernel_h, kernel_w, in_c * times]."""
    source, out = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
    weights = _weights(graph, operator)
    _, kernel_h, kernel_w, out_c = weights.shape
    times, rest = divmod(out_c, source.shape[-1])
    if rest or out_c > _LARGEST:
        raise ExportError(f"{out_c} filters on {source.shape[-1]} channels: not a multiple")
    params: dict[str, Value] = {
        "weights": Constant(weights.values().reshape(-1), "weights"),
        "bias": _wrapped(_bias(graph, operator, out_c)),
        "times": times,
        "in_zero": source.zero_point,
        **_factor_fields(_factors(source, weights, out), out_c),
        **_geometry(operator, source, out, (kernel_h, kernel_w)),
        **_output_fields(operator, out),
    }
    call = Call("hintlite_depthwise", "hintlite_depthwise.c", params, (source.index,), out.index)
    return Step(operator, (call,), (source.index,), out.index)


def dense(graph: Graph, operator: Operator) -> Step:
    """FULLY_CONNECTED with weights [out_c, inputs]."""
    source, out = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
    weights = _weights(graph, operator)
    if operator.options["weights_format"] != "DEFAULT":
        raise ExportError("the nearest supported form has weights in the default format")
    rows, row_bytes = _rows(weights.values())
    factors = _factors(source, weights, out)
    if len(factors) == 1:
        # Here TFLM forms the product of the scales in single precision.
        product = np.float32(source.scale) * np.float32(weights.scale)
        factors = [quantize_multiplier(float(product) / out.scale)]
    params: dict[str, Value] = {
        "weights": rows,
        "bias": _folded(graph, operator, weights.values(), source.zero_point),
        "row_bytes": row_bytes,
        "row_length": weights.shape[1],
        "out_c": weights.shape[0],
        "batches": source.elements // weights.shape[1],
        **_factor_fields(factors, weights.shape[0]),
        **_output_fields(operator, out),
    }
    call = Call("hintlite_dense", "hintlite_dense.c", params, (source.index,), out.index)
    return Step(operator, (call,), (source.index,), out.index)
