"""Starts the quantizers at the ranges of the float network instead of at tfmot's -6 to 6.

tfmot averages ranges with a decay of 0.999: from its own start, a short fine-tuning would end
before they have settled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tf_keras

from pipeline.qat.blueprint import Array

_BATCH = 64
# Names that tfmot gives to the variables of activation quantizers.
_ENDINGS = ("output_min", "post_activation_min", "quantize_layer_min")


def start_ranges(quantized: tf_keras.Model, model: tf_keras.Model, samples: Array) -> None:
    """Sets every activation range to the smallest and largest value seen in `samples`.

    Kernels start at plus and minus their own largest absolute value, a channel where they are
    quantized by channel: before the first training step tfmot has no range for them either.

    Args:
        quantized: from `with_fake_quantization`; its ranges are changed.
        model: the float network that it was made of.
        samples: [n, h, w, c] float32, normalised, of the training part.
    """
    seen = observed_ranges(model, samples)
    for layer in quantized.layers:
        inner = getattr(layer, "layer", None)
        name = model.input_names[0] if inner is None else inner.name
        if name in seen:
            _assign(layer, *seen[name])
        for kernel in ("kernel", "depthwise_kernel"):
            _start_kernel(layer, kernel)


def observed_ranges(model: tf_keras.Model, samples: Array) -> dict[str, tuple[float, float]]:
    """Layer name -> (minimum, maximum) of its output over the samples, 0 included."""
    taps = tf_keras.Model(model.input, {layer.name: layer.output for layer in model.layers})
    ranges: dict[str, tuple[float, float]] = {}
    for start in range(0, len(samples), _BATCH):
        for name, value in taps(samples[start : start + _BATCH], training=False).items():
            low, high = ranges.get(name, (0.0, 0.0))
            array = value.numpy()
            ranges[name] = (min(low, float(array.min())), max(high, float(array.max())))
    return ranges


def _assign(layer: Any, low: float, high: float) -> None:
    for variable in layer.variables:
        name = variable.name.partition(":")[0]
        if name.endswith(_ENDINGS):
            variable.assign(low)
        elif name.endswith(tuple(ending[:-3] + "max" for ending in _ENDINGS)):
            variable.assign(max(high, low + np.finfo(np.float32).eps))


def _start_kernel(layer: Any, kernel: str) -> None:
    # The attribute of the layer is the fake-quantized kernel; the variable is the kernel itself.
    found = {_last_part(variable.name): variable for variable in layer.variables}
    low, high = found.get(f"{kernel}_min"), found.get(f"{kernel}_max")
    if low is None or high is None:
        return
    weights = np.abs(found[kernel].numpy())
    axes = tuple(range(weights.ndim - 1)) if low.shape == weights.shape[-1:] else None
    largest = np.broadcast_to(weights.max(axis=axes), low.shape)
    high.assign(largest)
    low.assign(-largest)


def _last_part(name: str) -> str:
    """ "stage1_conv1/kernel:0" -> "kernel"."""
    return name.partition(":")[0].rpartition("/")[2]
