"""Fused activations as clamps of the output, and whole activations as tables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hintlite.deploy.c_export.errors import ExportError
from hintlite.deploy.c_export.fixed_point import (
    logistic,
    quantize_multiplier,
    rescale,
    round_half_away,
    rounding_shift,
    saturating_shift,
)
from hintlite.deploy.tflite.graph import Array, Operator, Tensor

# Name in the schema -> (least, most) in real numbers; None: the end of int8.
_FUSED: dict[object, tuple[float | None, float | None]] = {
    "NONE": (None, None),
    "RELU": (0.0, None),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU6": (0.0, 6.0),
}


def _quantized(real: float, tensor: Tensor) -> int:
    """A real number in the tensor's steps; TFLM divides in single precision."""
    steps = np.float32(real) / np.float32(tensor.scale)
    return tensor.zero_point + round_half_away(float(steps))


def fused_range(operator: Operator, out: Tensor) -> tuple[int, int]:
    """The clamp that a fused activation means.

    Args:
        operator: has the option `fused_activation_function`.
        out: the output tensor.

    Returns:
        (least, most), both int8.

    Raises:
        ExportError: an activation other than none, RELU, RELU_N1_TO_1 and RELU6.
    """
    name = operator.options["fused_activation_function"]
    if name not in _FUSED:
        raise ExportError(f"fused activation {name}; the nearest supported form is RELU or RELU6")
    least, most = _FUSED[name]
    lower = -128 if least is None else max(-128, _quantized(least, out))
    upper = 127 if most is None else min(127, _quantized(most, out))
    return min(lower, 127), max(upper, -128)


def _requantized(source: Tensor, out: Tensor) -> Callable[[int], int]:
    factor = quantize_multiplier(source.scale / out.scale)
    return lambda x: rescale(x - source.zero_point, *factor) + out.zero_point


def _relu(source: Tensor, out: Tensor, operator: Operator) -> Callable[[int], int]:
    convert = _requantized(source, out)
    return lambda x: max(convert(x), out.zero_point)


def _relu6(source: Tensor, out: Tensor, operator: Operator) -> Callable[[int], int]:
    """TFLM clamps the input's numbers and does not convert them."""
    six = max(-128, min(127, _quantized(6.0, source)))
    return lambda x: max(source.zero_point, min(six, x))


def _leaky_relu(source: Tensor, out: Tensor, operator: Operator) -> Callable[[int], int]:
    single = np.float32(source.scale) / np.float32(out.scale)
    slope = np.float32(source.scale) * np.float32(operator.number("alpha")) / np.float32(out.scale)
    above, below = quantize_multiplier(float(single)), quantize_multiplier(float(slope))

    def value(x: int) -> int:
        difference = x - source.zero_point
        return rescale(difference, *(above if difference >= 0 else below)) + out.zero_point

    return value


def _high_mul16(a: int, b: int) -> int:
    """The high multiply on int16: halves upwards, saturated."""
    return 32767 if a == b == -32768 else (a * b + 2**14) >> 15


def _to_16_bits(multiplier: int) -> int:
    """A Q0.31 multiplier in Q0.15."""
    return 32767 if multiplier >= 2**31 - 2**15 else (multiplier + 2**15) >> 16


def _truncating_high_mul16(a: int, b: int) -> int:
    """The high multiply on int16, rounded towards zero."""
    if a == b == -32768:
        return 32767
    product = a * b
    return abs(product) // 2**15 * (1 if product >= 0 else -1)


def _hard_swish(source: Tensor, out: Tensor, operator: Operator) -> Callable[[int], int]:
    """x * relu6(x + 3) / 6 in 16 bits; the scales are formed in single precision."""
    fine = np.float32(1.0 / 128.0) * np.float32(source.scale)
    out_factor, out_shift = quantize_multiplier(float(fine / np.float32(out.scale)))
    gate_scale = np.float32(3.0) / np.float32(32768.0)
    gate_factor, gate_shift = quantize_multiplier(float(fine / gate_scale))
    out_factor, gate_factor = _to_16_bits(out_factor), _to_16_bits(gate_factor)
    if out_shift > 0:
        raise ExportError("the output's scale is too small for the input's; recalibrate the model")

    def value(x: int) -> int:
        wide = wrap16((x - source.zero_point) << 7)
        gate = saturating_shift(wide, gate_shift - 1, 16) if gate_shift > 0 else wide
        gate = _high_mul16(gate, gate_factor)
        if gate_shift > 0:
            gate = saturating_shift(gate, 1, 16)
        elif gate_shift < 0:
            gate = rounding_shift(gate, -gate_shift)
        product = _truncating_high_mul16((gate + 2**15) >> 1, _high_mul16(wide, out_factor))
        return rounding_shift(product, -out_shift) + out.zero_point

    return value


def wrap16(value: int) -> int:
    """The int16 with the same low 16 bits."""
    return (value + 2**15) % 2**16 - 2**15


def _logistic(source: Tensor, out: Tensor, operator: Operator) -> Callable[[int], int]:
    """1 / (1 + exp(-x)) from Q4.27 to steps of 1/256."""
    if out.zero_point != -128:
        raise ExportError(f"expected the output's zero point -128, found {out.zero_point}")
    multiplier, shift = quantize_multiplier(source.scale * 2.0**27)
    radius = int(15 * 2.0**27 / 2.0**shift)

    def value(x: int) -> int:
        difference = x - source.zero_point
        if abs(difference) >= radius:
            return 127 if difference > 0 else -128
        return rounding_shift(logistic(rescale(difference, multiplier, shift), 4), 23) - 128

    return value


def _quantize(source: Tensor, out: Tensor, operator: Operator) -> Callable[[int], int]:
    return _requantized(source, out)


_FUNCTIONS: dict[str, Callable[[Tensor, Tensor, Operator], Callable[[int], int]]] = {
    "RELU": _relu,
    "RELU6": _relu6,
    "LEAKY_RELU": _leaky_relu,
    "HARD_SWISH": _hard_swish,
    "LOGISTIC": _logistic,
    "QUANTIZE": _quantize,
}


def activation_table(operator: Operator, source: Tensor, out: Tensor) -> Array:
    """What the operator gives for each of the 256 inputs.

    Args:
        operator: one of the kinds in `_FUNCTIONS`.
        source: the input tensor.
        out: the output tensor.

    Returns:
        int8 `[256]`, for the inputs -128 to 127.
    """
    function = _FUNCTIONS[operator.name](source, out, operator)
    values = [max(-128, min(127, function(x))) for x in range(-128, 128)]
    return np.array(values, np.int8)
