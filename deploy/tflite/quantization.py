"""Between raw pixels, the numbers a network was trained on, and the integers a file works on.

The one definition of these three steps: the runner, the bundle's expected outputs and `predict`
use it, and `bench_tflite.py` repeats it line by line.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hintlite.deploy.tflite.graph import Array
from hintlite.errors import DataError


def normalize(raw: Array, mean: Sequence[float], std: Sequence[float]) -> NDArray[np.float32]:
    """`(raw - mean) / std` in float32, per channel.

    Args:
        raw: [n, h, w, c], any number type.
        mean: c values in raw units.
        std: c values in raw units, none of them 0.

    Raises:
        DataError: another number of channels than means or deviations, or a deviation of 0.
    """
    means, stds = np.asarray(mean, np.float32), np.asarray(std, np.float32)
    if raw.shape[-1:] != means.shape or means.shape != stds.shape or not np.all(stds > 0):
        raise DataError(
            f"Expected one mean and one positive standard deviation for each of "
            f"{raw.shape[-1:]} channels, got means {list(mean)} and deviations {list(std)}."
        )
    return (raw.astype(np.float32) - means) / stds


def quantize(values: Array, scale: float, zero_point: int, dtype: DTypeLike) -> Array:
    """`clip(round(values / scale) + zero_point)`, as TFLite's reference QUANTIZE computes it.

    The division is in float32; halves are rounded away from zero (C's `round`, not NumPy's
    half-to-even) before the zero point is added. Source: `AffineQuantize` in
    tensorflow/lite/kernels/internal/reference/quantize.h.

    Args:
        values: real numbers of any shape, finite.
        scale: real size of one step, positive.
        zero_point: the integer that stands for 0.0.
        dtype: an integer type, e.g. `np.int8`.

    Raises:
        DataError: a value is NaN or infinite, or the scale is not positive.
    """
    if not scale > 0:
        raise DataError(f"A quantization scale must be positive, got {scale}.")
    steps = np.asarray(values, np.float32) / np.float32(scale)
    if not np.isfinite(steps).all():
        raise DataError("Cannot quantize NaN or infinity: check the data and its normalization.")
    # In float64, because 0.49999997 + 0.5 is 1.0 in float32.
    rounded = np.copysign(np.floor(np.abs(steps.astype(np.float64)) + 0.5), steps)
    limits = np.iinfo(np.dtype(dtype))
    return np.clip(rounded + zero_point, limits.min, limits.max).astype(dtype)


def dequantize(values: Array, scale: float, zero_point: int) -> NDArray[np.float32]:
    """`scale * (values - zero_point)` as float32.

    Args:
        values: integers of any shape.
        scale: real size of one step.
        zero_point: the integer that stands for 0.0.
    """
    return (np.float64(scale) * (values.astype(np.float64) - zero_point)).astype(np.float32)


def softmax(logits: Array) -> NDArray[np.float32]:
    """Probabilities over the last axis; the largest logit is subtracted first."""
    exponentials = np.exp(np.asarray(logits, np.float64) - np.max(logits, axis=-1, keepdims=True))
    return (exponentials / exponentials.sum(axis=-1, keepdims=True)).astype(np.float32)
