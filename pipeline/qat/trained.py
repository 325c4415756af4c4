"""The weights out of a `tf_keras` network, back into the plain data that it was built from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import tf_keras

from hintlite.pipeline.qat.blueprint import Blueprint, Step

# Names of a layer's variables, in the order of `layer.get_weights()`; quantizers add others.
ORDER = {
    "Conv2D": ("kernel", "bias"),
    "DepthwiseConv2D": ("depthwise_kernel", "bias"),
    "Dense": ("kernel", "bias"),
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
}


def with_weights_of(blueprint: Blueprint, model: tf_keras.Model) -> Blueprint:
    """The blueprint that a network was built from, with the weights that the network has now.

    Args:
        blueprint: names and kinds of its layers.
        model: with or without fake quantization.
    """
    layers = {inner(layer).name: layer for layer in model.layers}
    steps = [_step(step, layers[step.name]) if step.weights else step for step in blueprint.steps]
    return replace(blueprint, steps=tuple(steps))


def inner(layer: Any) -> Any:
    """The layer itself, without the quantizer's wrapper around it."""
    return getattr(layer, "layer", layer)


def variables_by_name(layer: Any) -> dict[str, Any]:
    """ "kernel", "post_activation_min", ... -> the variable, of a layer or its wrapper."""
    return {_last_part(variable.name): variable for variable in layer.variables}


def _step(step: Step, layer: Any) -> Step:
    found = variables_by_name(layer)
    weights = tuple(found[name].numpy() for name in ORDER[step.kind] if name in found)
    return replace(step, weights=weights)


def _last_part(name: str) -> str:
    """ "stage1_conv1/kernel:0" -> "kernel"."""
    return name.partition(":")[0].rpartition("/")[2]
