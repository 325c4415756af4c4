"""Batch normalization folded into the convolutions before it, for networks that only infer."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from hintlite.models.graph import Node, is_functional, model_nodes

FOLDABLE = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)


def folded(network: keras.Model) -> keras.Model:
    """A copy of a network that computes the same in inference mode with fewer operations.

    A batch normalization `y = gamma * (x - mean) / sqrt(var + eps) + beta` that alone reads a
    linear convolution or dense layer `x = W * u + b` is folded into it:
    `W' = W * s`, `b' = (b - mean) * s + beta` with `s = gamma / sqrt(var + eps)`
    (Jacob et al. 2018, arXiv 1712.05877, section 3.2). Normalizations anywhere else stay as they
    are; nested models are not looked into.

    Args:
        network: functional model; it is not changed.

    Returns:
        Functional model with the same inputs and outputs and weights of its own.
    """
    norms = _folded_norms(network)
    convolutions = {id(conv): norm for norm, conv in norms.values()}

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if id(layer) in norms:
            return keras.layers.Identity(name=layer.name, dtype=layer.dtype_policy)
        config = layer.get_config()
        if id(layer) in convolutions:
            config["use_bias"] = True
        return type(layer).from_config(config)

    def call(layer: keras.layers.Layer, *inputs: Any, **named: Any) -> Any:
        return inputs[0] if isinstance(layer, keras.layers.Identity) else layer(*inputs, **named)

    copy = keras.models.clone_model(network, clone_function=clone, call_function=call)
    for layer in network.layers:
        if id(layer) in norms or not layer.weights:
            continue
        twin = copy.get_layer(layer.name)
        norm = convolutions.get(id(layer))
        twin.set_weights(_weights(layer, norm) if norm else layer.get_weights())
    return copy


def _folded_norms(network: keras.Model) -> dict[int, tuple[Any, Any]]:
    """id of a normalization -> (it, the layer that it is folded into)."""
    nodes = model_nodes(network)
    readers: dict[int, list[Node]] = {}
    for node in nodes:
        for parent in node.parent_nodes:
            readers.setdefault(id(parent.operation), []).append(node)
    kept = {id(tensor._keras_history.operation) for tensor in network.outputs}
    pairs = {}
    for node in nodes:
        norm = node.operation
        if not isinstance(norm, keras.layers.BatchNormalization) or len(node.parent_nodes) != 1:
            continue
        conv = node.parent_nodes[0].operation
        alone = len(readers[id(conv)]) == 1 and id(conv) not in kept
        if alone and _is_linear(conv) and norm.axis in (-1, 3):
            pairs[id(norm)] = (norm, conv)
    return pairs


def _is_linear(layer: Any) -> bool:
    exact = type(layer) in FOLDABLE
    return exact and not is_functional(layer) and layer.activation is keras.activations.linear


def _weights(layer: Any, norm: Any) -> list[np.ndarray]:
    """Kernel and bias of the layer with the normalization in them."""
    mean, variance = (np.asarray(v, np.float64) for v in (norm.moving_mean, norm.moving_variance))
    gamma = np.asarray(norm.gamma, np.float64) if norm.scale else np.ones_like(mean)
    beta = np.asarray(norm.beta, np.float64) if norm.center else np.zeros_like(mean)
    scale = gamma / np.sqrt(variance + norm.epsilon)
    kernel = np.asarray(layer.kernel, np.float64)
    bias = np.asarray(layer.bias, np.float64) if layer.use_bias else 0.0
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        factors = scale.reshape(kernel.shape[2:])  # [h, w, channels, multiplier]
    else:
        factors = scale
    return [kernel * factors, (bias - mean) * scale + beta]
