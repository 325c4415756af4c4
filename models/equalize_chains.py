"""Maps between layers through which a factor of each channel can be moved from side to side.

A *chain* is one such map: the layers with weights that write it, what passes it on, and the layers
with weights that read it. One layer written by one and read by one is the common case. A maxout
layer is written by several, the pieces that its `Maximum` is taken of, since
max(s a, s b) = s max(a, b) for s > 0, and several read it where the next layer is one too, or where
the network branches. A sum or a concatenation ends the search: its factors would have to agree
with those of the other terms, which come from other maps.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from hintlite.models.fold import DEPTHWISE, FOLDABLE
from hintlite.models.graph import Node, model_nodes

# One channel in, the same channel out, and homogeneous; inference alone is meant.
_THROUGH = (
    *(keras.layers.MaxPooling1D, keras.layers.MaxPooling2D),
    *(keras.layers.AveragePooling1D, keras.layers.AveragePooling2D),
    *(keras.layers.ZeroPadding1D, keras.layers.ZeroPadding2D),
    *(keras.layers.GlobalAveragePooling1D, keras.layers.GlobalAveragePooling2D),
    *(keras.layers.GlobalMaxPooling1D, keras.layers.GlobalMaxPooling2D),
    keras.layers.Dropout,
    *(keras.layers.SpatialDropout1D, keras.layers.SpatialDropout2D),
    keras.layers.Identity,
    keras.layers.Flatten,
)
_WEIGHTED = FOLDABLE


@dataclass(frozen=True, eq=False)
class Chain:
    """The layers around one map, each tuple in the network's order.

    Attributes:
        writers: layers with weights that write the channels: one, or all inputs of a `Maximum`.
        readers: layers with weights that read them, and with them all that do.
        clipped: names of the ReLU6 between them.
    """

    writers: tuple[Any, ...]
    readers: tuple[Any, ...]
    clipped: tuple[str, ...]


def chains(network: keras.Model, once_clipped: Collection[str] = ()) -> list[Chain]:
    """The chains of a network, in the order of their first writers.

    Args:
        network: functional model; nested models are not looked into.
        once_clipped: names of layers that stand where a ReLU6 was: they count as one.

    Returns:
        Chains whose layers serve in one place each: scaling one that serves in two would scale
        the other.
    """
    nodes = model_nodes(network)
    following = _following(nodes)
    kept = {id(tensor._keras_history.operation) for tensor in network.outputs}
    shared = _called_twice(nodes)
    found: list[Chain] = []
    seen: set[Node] = set()
    for node in nodes:
        if node in seen or not _writes(node):
            continue
        touched = _connected(node, following, kept)
        if touched is None:
            continue
        seen |= touched[0]
        carrying, reading = ([n for n in nodes if n in some] for some in touched)
        chain = _chain(carrying, reading, once_clipped)
        layers = {id(layer) for layer in (*chain.writers, *chain.readers)}
        if _same_count(chain.writers) and shared.isdisjoint(layers):
            found.append(chain)
    return found


def written_channels(layer: Any) -> int:
    """Channels that a layer with weights writes."""
    shape = layer.kernel.shape  # of a depthwise one [..., channels, multiplier]
    depthwise = isinstance(layer, DEPTHWISE)
    return int(shape[-1] * shape[-2] if depthwise else shape[-1])


def _following(nodes: Sequence[Node]) -> dict[Node, set[Node]]:
    found: dict[Node, set[Node]] = {node: set() for node in nodes}
    for node in nodes:
        for parent in node.parent_nodes:
            found[parent].add(node)
    return found


def _called_twice(nodes: Sequence[Node]) -> set[int]:
    calls = [id(node.operation) for node in nodes]
    return {one for one in calls if calls.count(one) > 1}


def _connected(
    start: Node, following: Mapping[Node, set[Node]], kept: Collection[int]
) -> tuple[set[Node], set[Node]] | None:
    """All that a factor of one layer's channels touches.

    Returns:
        The calls whose output has the factor in it, and those that take it out again; None where
        it would get out some other way.
    """
    carrying: set[Node] = set()
    reading: set[Node] = set()
    open_ends = [start]
    while open_ends:
        node = open_ends.pop()
        if node in carrying:
            continue
        carrying.add(node)
        after = following[node]
        if id(node.operation) in kept or not after:
            return None
        readers = {each for each in after if _reads(each)}
        passing = after - readers
        before = [] if _writes(node) else node.parent_nodes
        if not all(map(_passes, passing)) or not all(_writes(n) or _passes(n) for n in before):
            return None
        reading |= readers
        open_ends += [*passing, *before]
    return (carrying, reading) if _maxima_alone_read(carrying, following) else None


def _maxima_alone_read(carrying: Collection[Node], following: Mapping[Node, set[Node]]) -> bool:
    """Whether nothing else reads what a maximum is taken of, from the layers that write it on.

    One of these could read another, and would stand on both sides of the map.
    """
    ends = [node for node in carrying if _is_maximum(node)]
    while ends:
        for node in ends.pop().parent_nodes:
            if len(following[node]) > 1:
                return False
            if not _writes(node):
                ends.append(node)
    return True


def _chain(
    carrying: Sequence[Node], reading: Sequence[Node], once_clipped: Collection[str]
) -> Chain:
    layers = [node.operation for node in carrying]
    return Chain(
        writers=tuple(layer for layer in layers if type(layer) in _WEIGHTED),
        readers=tuple(node.operation for node in reading),
        clipped=tuple(
            layer.name for layer in layers if _is_relu6(layer) or layer.name in once_clipped
        ),
    )


def _same_count(writers: Sequence[Any]) -> bool:
    """Whether all write as many channels; a maximum also takes one channel for all."""
    return len({written_channels(layer) for layer in writers}) == 1


def _writes(node: Node) -> bool:
    """Whether a layer with weights passes a factor of its weights on to its output."""
    plain = (keras.activations.linear, keras.activations.relu)
    return _is_weighted(node.operation) and node.operation.activation in plain


def _reads(node: Node) -> bool:
    """Whether a layer has weights of its own for each channel that it reads."""
    layer = node.operation
    return _is_weighted(layer) and getattr(layer, "groups", 1) == 1


def _is_weighted(layer: Any) -> bool:
    """Whether it is one of `_WEIGHTED` with its channels last and plain weights."""
    last = getattr(layer, "data_format", "channels_last") == "channels_last"
    changed = getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None)
    return type(layer) in _WEIGHTED and last and not changed


def _passes(node: Node) -> bool:
    """Whether a layer without weights passes a factor of its inputs on; a ReLU6 would."""
    layer = node.operation
    if _is_maximum(node):
        given = keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
        return len(given) == len(node.parent_nodes)  # no constant among the inputs
    alone = len(node.parent_nodes) == 1
    homogeneous = type(layer) in _THROUGH or _is_homogeneous_activation(layer)
    return alone and (homogeneous or _is_relu6(layer))


def _is_maximum(node: Node) -> bool:
    return type(node.operation) is keras.layers.Maximum


def _is_relu6(layer: Any) -> bool:
    plain = isinstance(layer, keras.layers.ReLU) and not layer.threshold
    return plain and layer.max_value is not None


def _is_homogeneous_activation(layer: Any) -> bool:
    if isinstance(layer, keras.layers.ReLU):
        return layer.max_value is None and not layer.threshold
    if isinstance(layer, keras.layers.Activation):
        return layer.activation in (keras.activations.linear, keras.activations.relu)
    return isinstance(layer, keras.layers.LeakyReLU)
