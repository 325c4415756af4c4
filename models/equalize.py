"""Cross-layer equalization (Nagel et al. 2019, arXiv 1906.04721, section 4.1).

ReLU is positively homogeneous: relu(s x) = s relu(x) for s > 0. So channel i of a layer can be
divided by s_i, and what the next layer reads of it multiplied by s_i, without changing the
network. With r1_i and r2_i, the ranges of the weights that write and read channel i, the paper's

    s_i = sqrt(r1_i * r2_i) / r2_i        (equation 11)

makes both ranges sqrt(r1_i * r2_i), which leaves no channel with few of the 255 steps. A channel
of small weights and a large bias would get a far larger bias so, and the map between the layers a
far larger range (the paper's section 4.1.3): s_i is kept from lifting a bias above the layer's
largest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from models.fold import folded
from models.graph import Node, model_nodes

SKIP, REPLACE = "skip", "replace"  # what is done where a ReLU6 stands between two layers
SWEEPS = 20
_SETTLED = 1e-3  # largest |s - 1| of a sweep after which nothing more is won

# One channel in, the same channel out, and homogeneous; inference alone is meant.
_THROUGH = (
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.ZeroPadding2D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
    keras.layers.Identity,
    keras.layers.Flatten,
)
_WEIGHTED = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)


@dataclass(frozen=True)
class Pair:
    """Two layers with weights, and what stands between them.

    Attributes:
        first: name of the layer that writes the channels.
        second: name of the layer that reads them.
        clipped: name of a ReLU6 between them, None where there is none.
        spread_before: largest over smallest range of a channel, of the first layer's weights.
        spread_after: the same after equalization.
        range_ratio: largest over smallest r1_i / r2_i over the channels before; 1 is equalized.
        range_ratio_after: the same after equalization.
        skipped: why nothing was done, "" where something was.
    """

    first: str
    second: str
    clipped: str | None
    spread_before: float
    spread_after: float
    range_ratio: float
    range_ratio_after: float
    skipped: str = ""


def equalized(network: keras.Model, relu6: str = SKIP) -> tuple[keras.Model, tuple[Pair, ...]]:
    """A copy of a network with folded batch normalization and equalized ranges.

    The pairs are worked through in the network's order, again and again until nothing moves, since
    a layer that is the second of one pair is the first of the next.

    Args:
        network: functional model, input to logits; it is not changed.
        relu6: `SKIP` leaves pairs with a ReLU6 between them as they are; `REPLACE` puts a ReLU in
            its place, which is another function where the ReLU6 clips: compare the outputs.

    Returns:
        The copy, and what was done with each pair, in the network's order.

    Raises:
        ValueError: another word for `relu6`.
    """
    if relu6 not in (SKIP, REPLACE):
        raise ValueError(f"relu6 must be {SKIP} or {REPLACE}; got {relu6!r}")
    copy = folded(network)
    found = _chains(copy)
    if relu6 == REPLACE:
        clips = {chain.clipped for chain in found if chain.clipped}
        copy = _unclipped(copy, clips)
        found = _chains(copy, clips)
    active = [chain for chain in found if chain.clipped is None or relu6 == REPLACE]
    before = {id(chain): _ranges(chain) for chain in found}
    for _ in range(SWEEPS):
        moved = max((_equalize(chain) for chain in active), default=0.0)
        if moved < _SETTLED:
            break
    return copy, tuple(_pair(chain, before[id(chain)], chain in active) for chain in found)


@dataclass(frozen=True, eq=False)
class _Chain:
    first: Any
    second: Any
    clipped: str | None


def _chains(network: keras.Model, once_clipped: Sequence[str] | set[str] = ()) -> list[_Chain]:
    """Pairs of layers, the first read by nothing but the second."""
    nodes = model_nodes(network)
    readers: dict[int, list[Node]] = {}
    for node in nodes:
        for parent in node.parent_nodes:
            readers.setdefault(id(parent), []).append(node)
    kept = {id(tensor._keras_history.operation) for tensor in network.outputs}
    shared = _called_twice(nodes)
    chains = []
    for node in nodes:
        if _homogeneous(node.operation) and id(node.operation) not in shared:
            chain = _followed(node, readers, kept, set(once_clipped))
            if chain and id(chain.second) not in shared:
                chains.append(chain)
    return chains


def _called_twice(nodes: Sequence[Node]) -> set[int]:
    """Layers whose weights serve in two places: scaling one would scale the other."""
    calls = [id(node.operation) for node in nodes]
    return {one for one in calls if calls.count(one) > 1}


def _followed(
    node: Node, readers: dict[int, list[Node]], kept: set[int], once_clipped: set[str]
) -> _Chain | None:
    """The chain that begins with a layer, if there is one."""
    first, clipped = node.operation, None
    while True:
        following = readers.get(id(node), [])
        if id(node.operation) in kept or len(following) != 1:
            return None
        node = following[0]
        layer = node.operation
        if len(node.parent_nodes) != 1:
            return None
        if type(layer) in _WEIGHTED and getattr(layer, "groups", 1) == 1:
            return _Chain(first, layer, clipped)
        if _is_relu6(layer) or layer.name in once_clipped:
            clipped = layer.name
        elif not (type(layer) in _THROUGH or _is_homogeneous_activation(layer)):
            return None


def _homogeneous(layer: Any) -> bool:
    """Whether a layer with weights passes a factor of its weights on to its output."""
    plain = (keras.activations.linear, keras.activations.relu)
    return type(layer) in _WEIGHTED and layer.activation in plain


def _is_relu6(layer: Any) -> bool:
    plain = isinstance(layer, keras.layers.ReLU) and not layer.threshold
    return plain and layer.max_value is not None


def _is_homogeneous_activation(layer: Any) -> bool:
    if isinstance(layer, keras.layers.ReLU):
        return layer.max_value is None and not layer.threshold
    if isinstance(layer, keras.layers.Activation):
        return layer.activation in (keras.activations.linear, keras.activations.relu)
    return isinstance(layer, keras.layers.LeakyReLU)


def _unclipped(network: keras.Model, names: set[str]) -> keras.Model:
    """A copy with ReLU in the place of the named ReLU6 layers."""

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if layer.name in names:
            config["max_value"] = None
        return type(layer).from_config(config)

    copy = keras.models.clone_model(network, clone_function=clone)
    copy.set_weights(network.get_weights())
    return copy


def _ranges(chain: _Chain) -> tuple[np.ndarray, np.ndarray]:
    """Largest magnitude of the weights that write and that read each channel, float64 [c]."""
    written = np.abs(_by_written(chain.first, _kernel(chain.first))).max(axis=0)
    count = len(written)
    read = np.abs(_by_read(_kernel(chain.second), count)).max(axis=(0, 2))
    return written, read


def _equalize(chain: _Chain) -> float:
    """Equalizes one pair in place.

    Returns:
        The largest |s - 1|. A channel without weights on one side is left alone.
    """
    written, read = _ranges(chain)
    live = (written > 0) & (read > 0)
    factors = np.ones_like(written)
    factors[live] = np.sqrt(written[live] / read[live])  # = sqrt(r1 r2) / r2
    if chain.first.use_bias:
        bias = np.abs(np.asarray(chain.first.bias, np.float64))
        factors[live] = np.maximum(factors, bias / max(bias.max(), 1e-30))[live]
    _scale(chain.first, 1 / factors, writes=True)
    _scale(chain.second, factors, writes=False)
    return float(np.abs(factors - 1).max(initial=0.0))


def _scale(layer: Any, factors: np.ndarray, writes: bool) -> None:
    kernel = _kernel(layer)
    if writes:
        scaled = (_by_written(layer, kernel) * factors).reshape(kernel.shape)
    else:
        view = _by_read(kernel, len(factors))
        scaled = (view * factors[None, :, None]).reshape(kernel.shape)
    weights = [scaled]
    if layer.use_bias:
        bias = np.asarray(layer.bias, np.float64)
        weights.append(bias * factors if writes else bias)
    layer.set_weights(weights)


def _kernel(layer: Any) -> np.ndarray:
    return np.asarray(layer.kernel, np.float64)


def _by_written(layer: Any, kernel: np.ndarray) -> np.ndarray:
    """Kernel as [weights, channels written]; a depthwise one has [h, w, channels, multiplier]."""
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return kernel.reshape(-1, kernel.shape[2] * kernel.shape[3])
    return kernel.reshape(-1, kernel.shape[-1])


def _by_read(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Kernel as [places, channels read, weights].

    A dense layer behind a flattened map reads each channel at several places; the channel is the
    fastest of the flattened axes.
    """
    return kernel.reshape(-1, channels, kernel.shape[-1])


def _pair(chain: _Chain, before: tuple[np.ndarray, np.ndarray], active: bool) -> Pair:
    after = _ranges(chain)
    reason = "" if active else f"ReLU6 {chain.clipped!r} stands between them"
    return Pair(
        first=chain.first.name,
        second=chain.second.name,
        clipped=chain.clipped,
        spread_before=_spread(before[0]),
        spread_after=_spread(after[0]),
        range_ratio=_spread(before[0][_live(before)] / before[1][_live(before)]),
        range_ratio_after=_spread(after[0][_live(after)] / after[1][_live(after)]),
        skipped=reason,
    )


def _live(ranges: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return (ranges[0] > 0) & (ranges[1] > 0)


def _spread(values: np.ndarray) -> float:
    """Largest over smallest, of those above 0."""
    positive = values[values > 0]
    return float(positive.max() / positive.min()) if len(positive) else 1.0
