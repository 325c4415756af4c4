"""Scratch buffers that CMSIS-NN's kernels ask for, as its public *_get_buffer_size functions do.

Sources are files of CMSIS-NN's Source folder; the kernels that call them are TFLM's
tensorflow/lite/micro/kernels/cmsis_nn/*.cc.
"""

from __future__ import annotations

from collections.abc import Callable

from hintlite.deploy.mcu.abi import align_up
from hintlite.deploy.tflite.graph import Graph, ModelError, Operator

_CH_IN_BLOCK_MVE = 124  # Include/arm_nnsupportfunctions.h


def scratch_bytes(graph: Graph, operator: Operator, mve: bool) -> int:
    """Scratch memory of one operator's int8 kernel; 0 where it asks for none.

    Args:
        graph: the model's graph.
        operator: one of its operators.
        mve: for cores with the vector extension (Cortex-M55, M85); else those with DSP
            instructions (M4, M7, M33).
    """
    function = _SCRATCH.get(operator.name)
    return 0 if function is None else function(graph, operator, mve)


def kernel_sums_bytes(graph: Graph, operator: Operator, mve: bool) -> int:
    """Persistent sums of a FULLY_CONNECTED's weights, one int32 an output.

    Source: arm_fully_connected_get_buffer_sizes_s8.c (MVE only; releases before 5.0 keep none) and
    the persistent buffer in kernels/cmsis_nn/fully_connected.cc.
    """
    return 4 * graph.tensors[operator.outputs[0]].shape[-1] if mve else 0


def _padding(size: int, output: int, stride: int, dilation: int, window: int) -> int:
    """Rows or columns before the image, as ComputePaddingHeightWidth of TFLM has them."""
    return max((output - 1) * stride + (window - 1) * dilation + 1 - size, 0) // 2


def _conv(graph: Graph, operator: Operator, mve: bool) -> int:
    """ConvolutionFunctions/arm_convolve_get_buffer_sizes_s8.c."""
    source, kernel = (graph.tensors[i].shape for i in operator.inputs[:2])
    height, width = kernel[1], kernel[2]
    if height == width == 1 and not any(_paddings(graph, operator)) and not _dilated(operator):
        return 0
    columns = width * height * source[3]
    row = source[1] == 1 and height == 1 and _option(operator, "dilation_w_factor") == 1
    if mve and row and _option(operator, "stride_w") * source[3] % 4 == 0:
        return 0
    return 4 * align_up(columns, 8) if mve else 2 * 2 * align_up(columns, 4)


def _depthwise(graph: Graph, operator: Operator, mve: bool) -> int:
    """ConvolutionFunctions/arm_depthwise_conv_get_buffer_sizes_s8.c."""
    source, kernel = (graph.tensors[i].shape for i in operator.inputs[:2])
    output = graph.tensors[operator.outputs[0]].shape
    height, width = kernel[1], kernel[2]
    if source[3] != output[3] or source[0] != 1 or _dilated(operator):
        return 0
    if mve:
        return 4 * _CH_IN_BLOCK_MVE * width * height
    if height == width == 3 and max(_paddings(graph, operator)) <= 1:
        return 0
    return 2 * source[3] * width * height


def _average_pool(graph: Graph, operator: Operator, mve: bool) -> int:
    """PoolingFunctions/arm_avgpool_get_buffer_sizes_s8.c."""
    return 0 if mve else 4 * graph.tensors[operator.inputs[0]].shape[3]


def _option(operator: Operator, name: str) -> int:
    value = operator.options.get(name)
    if not isinstance(value, int):
        raise ModelError(f"Operator {operator.index} ({operator.name}) lacks the option {name}.")
    return value


def _dilated(operator: Operator) -> bool:
    return {_option(operator, f"dilation_{side}_factor") for side in "hw"} != {1}


def _paddings(graph: Graph, operator: Operator) -> tuple[int, int]:
    """(top, left)."""
    if operator.options.get("padding") == "VALID":
        return 0, 0
    source, kernel = (graph.tensors[i].shape for i in operator.inputs[:2])
    output = graph.tensors[operator.outputs[0]].shape
    top, left = (
        _padding(
            source[axis],
            output[axis],
            _option(operator, f"stride_{side}"),
            _option(operator, f"dilation_{side}_factor"),
            kernel[axis],
        )
        for axis, side in ((1, "h"), (2, "w"))
    )
    return top, left


_SCRATCH: dict[str, Callable[[Graph, Operator, bool], int]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "AVERAGE_POOL_2D": _average_pool,
}
