"""Batch normalization folded into the convolutions before it, for networks that only infer."""

from __future__ import annotations

from collections import Counter
from typing import Any

import keras
import numpy as np

from hintlite.models.graph import Node, model_nodes

DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
FOLDABLE = (keras.layers.Conv1D, keras.layers.Conv2D, *DEPTHWISE, keras.layers.Dense)


def folded(network: keras.Model) -> keras.Model:
    """A network that computes the same in inference mode with fewer operations.

    A batch normalization `y = gamma * (x - mean) / sqrt(var + eps) + beta` that alone reads a
    linear convolution or dense layer `x = W * u + b` is folded into it:
    `W' = W * s`, `b' = (b - mean) * s + beta` with `s = gamma / sqrt(var + eps)`
    (Jacob et al. 2018, arXiv 1712.05877, section 3.2). Both must be called in one place each: one
    that serves in two would change the other place too. Normalizations anywhere else stay as they
    are; nested models are not looked into.

    Args:
        network: functional model; it is not changed.

    Returns:
        Functional model with the same inputs and outputs. Folded layers have weights of their own,
        all others are the network's; the network itself where nothing can be folded.
    """
    pairs = _folded_norms(network)
    if not pairs:
        return network
    norms = {id(norm) for norm, _ in pairs}
    replaced = {id(layer): _folded_layer(layer, norm) for norm, layer in pairs}

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if id(layer) in norms:
            return keras.layers.Identity(name=layer.name, dtype=layer.dtype_policy)
        return replaced.get(id(layer), layer)

    def call(layer: keras.layers.Layer, *inputs: Any, **named: Any) -> Any:
        return inputs[0] if isinstance(layer, keras.layers.Identity) else layer(*inputs, **named)

    return keras.models.clone_model(network, clone_function=clone, call_function=call)


def _folded_norms(network: keras.Model) -> list[tuple[Any, Any]]:
    """Normalizations with the layers that they can be folded into."""
    nodes = model_nodes(network)
    calls = Counter(id(node.operation) for node in nodes)
    reads = Counter(id(parent.operation) for node in nodes for parent in node.parent_nodes)
    kept = {id(tensor._keras_history.operation) for tensor in network.outputs}
    pairs = []
    for node in nodes:
        norm = node.operation
        if type(norm) is not keras.layers.BatchNormalization or len(node.parent_nodes) != 1:
            continue
        layer = node.parent_nodes[0].operation
        once = calls[id(norm)] == calls[id(layer)] == reads[id(layer)] == 1
        if once and id(layer) not in kept and _is_linear(layer) and _scales_channels(node):
            pairs.append((norm, layer))
    return pairs


def _scales_channels(node: Node) -> bool:
    """Whether a call of a normalization uses the moving statistics, along the last axis."""
    alone = len(node.arguments.args) == 1 and not node.arguments.kwargs.get("training")
    return alone and node.operation.axis in (-1, len(node.input_tensors[0].shape) - 1)


def _is_linear(layer: Any) -> bool:
    """Whether a layer is W * u + b with plain weights, its channels last."""
    plain = type(layer) in FOLDABLE and layer.activation is keras.activations.linear
    last = getattr(layer, "data_format", "channels_last") == "channels_last"
    changed = getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None)
    return plain and last and not changed


def _folded_layer(layer: Any, norm: Any) -> keras.layers.Layer:
    """A layer that computes what both do."""
    twin = type(layer).from_config({**layer.get_config(), "use_bias": True})
    twin.build(layer.input.shape)
    twin.set_weights(_weights(layer, norm))
    return twin


def _weights(layer: Any, norm: Any) -> list[np.ndarray]:
    """Kernel and bias of the layer with the normalization in them."""
    mean, variance = (np.asarray(v, np.float64) for v in (norm.moving_mean, norm.moving_variance))
    gamma = np.asarray(norm.gamma, np.float64) if norm.scale else np.ones_like(mean)
    beta = np.asarray(norm.beta, np.float64) if norm.center else np.zeros_like(mean)
    scale = gamma / np.sqrt(variance + norm.epsilon)
    kernel = np.asarray(layer.kernel, np.float64)
    bias = np.asarray(layer.bias, np.float64) if layer.use_bias else 0.0
    # A depthwise kernel is [..., channels, multiplier].
    factors = scale.reshape(kernel.shape[-2:]) if isinstance(layer, DEPTHWISE) else scale
    return [kernel * factors, (bias - mean) * scale + beta]
