"""TFLM's integer arithmetic in Python, to fold parameters and tables at export time.

Source: TFLM's `quantization_util` (multipliers) and gemmlowp's `fixedpoint.h` (exponentials),
described in Jacob et al., arXiv 1712.05877, section 2.2. All values are Python integers that
stand for int32.
"""

from __future__ import annotations

import math

INT32_MAX = 2**31 - 1
INT32_MIN = -(2**31)

# exp(-2^k) for k = -2 .. 4 in Q0.31.
_EXP_CONSTANTS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)


def wrap32(value: int) -> int:
    """The int32 with the same low 32 bits."""
    return (value + 2**31) % 2**32 - 2**31


def round_half_away(value: float) -> int:
    """C's round(): halves go away from zero."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def quantize_multiplier(real: float) -> tuple[int, int]:
    """A real factor as a Q0.31 multiplier and a power of two (positive: to the left)."""
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = round_half_away(fraction * 2.0**31)
    if abs(multiplier) == 2**31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    return multiplier, shift


def high_mul(a: int, b: int) -> int:
    """Saturating rounding doubling high multiply: round(a * b / 2^31), halves upwards."""
    if a == b == INT32_MIN:
        return INT32_MAX
    return (a * b + 2**30) >> 31


def rounding_shift(value: int, exponent: int) -> int:
    """Divide by 2^exponent, halves away from zero."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (1 if value < 0 else 0)
    return (value >> exponent) + (1 if (value & mask) > threshold else 0)


def saturating_shift(value: int, exponent: int, bits: int = 32) -> int:
    """Multiply by 2^exponent, saturated to `bits` bits."""
    limit = 2 ** (bits - 1)
    return max(-limit, min(limit - 1, value << exponent))


def rescale(value: int, multiplier: int, shift: int) -> int:
    """value * multiplier / 2^31 * 2^shift, rounded twice as TFLM does."""
    shifted = wrap32(value << max(shift, 0))
    return rounding_shift(high_mul(shifted, multiplier), max(-shift, 0))


def _exp_below_quarter(a: int) -> int:
    """exp(a) for a in [-1/4, 0), Q0.31: Taylor expansion around -1/8."""
    x = a + (1 << 28)
    x2 = high_mul(x, x)
    x3, x4 = high_mul(x2, x), high_mul(x2, x2)
    tail = rounding_shift(high_mul(rounding_shift(x4, 2) + x3, 715827883) + x2, 1)
    return 1895147668 + high_mul(1895147668, x + tail)


def exp_negative(a: int, integer_bits: int) -> int:
    """exp(a) in Q0.31 for a <= 0 with `integer_bits` bits before the point."""
    if a == 0:
        return INT32_MAX
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    part = (a & (quarter - 1)) - quarter
    result = _exp_below_quarter(saturating_shift(part, integer_bits))
    remainder = part - a
    for power, constant in enumerate(_EXP_CONSTANTS, start=-2):
        if integer_bits > power and remainder & (1 << (fraction_bits + power)):
            result = high_mul(result, constant)
    return result


def reciprocal_one_plus(a: int) -> int:
    """1 / (1 + a) in Q0.31 for a in [0, 1): three Newton-Raphson steps in Q2.29."""
    half = (a + INT32_MAX + 1) >> 1
    x = 1515870810 + high_mul(half, -1010580540)
    for _ in range(3):
        rest = (1 << 29) - high_mul(half, x)
        x += saturating_shift(high_mul(x, rest), 2)
    return saturating_shift(x, 1)


def logistic(a: int, integer_bits: int) -> int:
    """1 / (1 + exp(-a)) in Q0.31."""
    if a == 0:
        return 1 << 30
    positive = reciprocal_one_plus(exp_negative(-abs(a), integer_bits))
    return positive if a > 0 else INT32_MAX - positive
