"""Starts the quantizers at the ranges of the float network instead of at tfmot's -6 to 6.

tfmot averages ranges with a decay of 0.999: from its own start, a short fine-tuning would end
before they have settled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tf_keras

from hintlite.pipeline.qat.blueprint import Array
from hintlite.pipeline.qat.trained import variables_by_name

_BATCH = 64
# Names that tfmot gives to the variables of activation quantizers.
_ENDINGS = ("output_min", "post_activation_min", "quantize_layer_min")


def start_ranges(quantized: tf_keras.Model, model: tf_keras.Model, samples: Array) -> None:
    """Sets every activation range to the smallest and largest value seen in `samples`.

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
    refresh_kernels(quantized)


def refresh_kernels(quantized: tf_keras.Model) -> None:
    """Sets the ranges of kernels to what they are now.

    That is plus and minus the largest absolute value, of each channel where kernels are quantized
    by channel. tfmot does so within a training step, before that step changes the kernel: what is
    converted afterwards would be clipped by a hair.
    """
    for layer in quantized.layers:
        found = variables_by_name(layer)
        for kernel in ("kernel", "depthwise_kernel"):
            if f"{kernel}_min" in found:
                _refresh(found[kernel], found[f"{kernel}_min"], found[f"{kernel}_max"])


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


def _refresh(kernel: Any, low: Any, high: Any) -> None:
    # The attribute of the layer is the fake-quantized kernel; the variable is the kernel itself.
    # Channels are the last axis, and the last two, [channels, multiplier], of a depthwise kernel.
    weights = np.abs(kernel.numpy()).reshape(-1, low.shape.num_elements())
    largest = weights.max(axis=0).reshape(low.shape)
    high.assign(largest)
    low.assign(-largest)
