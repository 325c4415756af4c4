"""Steps that scale and shift each channel: preprocessing layers, and operators with constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from hintlite.models.fake_quant.constants import LINES, constant_of
from hintlite.pipeline.qat.blueprint import Array, CarryError, Step


def affine(name: str, before: str, scale: Array, offset: Array) -> Step:
    """`x * scale + offset` per channel as a 1x1 depthwise convolution.

    Args:
        scale: [channels].
        offset: [channels].
    """
    kernel = np.asarray(scale, np.float32).reshape(1, 1, -1, 1)
    weights = (kernel, np.asarray(offset, np.float32))
    return Step(name, "DepthwiseConv2D", (before,), dict(_LINE), weights)


_LINE: Mapping[str, Any] = {"kernel_size": 1, "use_bias": True}


def is_line(step: Step) -> bool:
    """Whether a step is one that `affine` made: a network's own convolutions have more settings."""
    return step.kind == "DepthwiseConv2D" and step.settings == _LINE


def rescaling(node: Any, name: str, inputs: list[str]) -> list[Step]:
    """The layer Rescaling."""
    layer = node.operation
    return [_of_channels(node, name, inputs, layer.scale, layer.offset)]


def normalization(node: Any, name: str, inputs: list[str]) -> list[Step]:
    """The layer Normalization, adapted or with given statistics."""
    layer = node.operation
    if layer.invert:
        raise refusal("Normalization(invert=True)", name, "undo the normalization outside")
    mean, variance = (
        np.asarray(value, np.float64).ravel() for value in (layer.mean, layer.variance)
    )
    scale = 1.0 / np.maximum(np.sqrt(variance), keras.config.epsilon())
    return [_of_channels(node, name, inputs, scale, -mean * scale)]


def two_maps_or_constant(kind: str) -> Callable[[Any, str, list[str]], list[Step]]:
    """Reads an operator, or the layer of that name, of two maps or of a map and a constant.

    Args:
        kind: "Add" or "Multiply", which the quantizer takes for two maps too.
    """

    def read(node: Any, name: str, inputs: list[str]) -> list[Step]:
        if len(inputs) > 1:
            return [Step(name, kind, tuple(inputs))]
        return with_constant(node, name, inputs)

    return read


def with_constant(node: Any, name: str, inputs: list[str]) -> list[Step]:
    """An operator between a map and a constant, as in `x / 127.5 - 1`."""
    kind = type(node.operation).__name__
    constant, first = constant_of(node)
    line = LINES[kind].get(first) if constant is not None and len(inputs) == 1 else None
    if line is None:
        raise refusal(
            kind, name, "it can be used on a map [batch, h, w, c] with a number, or one a channel"
        )
    return [_of_channels(node, name, inputs, *line(constant))]


def _of_channels(node: Any, name: str, inputs: list[str], scale: Any, offset: Any) -> Step:
    """`affine` for a slope and an offset that are numbers, or one a channel."""
    shape = node.input_tensors[0].shape
    lines = []
    for value in (scale, offset):
        array = np.asarray(value, np.float64)
        by_channel = array.size == 1 or array.shape[-1] == array.size == shape[-1]
        if len(shape) != 4 or not by_channel:
            raise refusal(
                type(node.operation).__name__,
                name,
                f"it can be used on maps [batch, h, w, c] with a number, or one a channel; these "
                f"are {list(shape)} with {list(array.shape)}",
            )
        lines.append(np.broadcast_to(array.ravel(), (shape[-1],)))
    return affine(name, inputs[0], *lines)


def refusal(kind: str, path: str, advice: str) -> CarryError:
    """A layer that cannot be carried over, by its place, and what to do about it."""
    return CarryError(
        f"layer {path!r} ({kind}) cannot be fine-tuned with quantization in the loop: {advice}"
    )
