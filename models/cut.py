"""Cut a functional model at given places: share its layers, compute nothing beyond them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from hintlite.models.graph import (
    Node,
    Place,
    Tensor,
    innermost,
    is_functional,
    nodes_before,
    producer,
)


def cut_model(model: keras.Model, places: Mapping[str, Place]) -> keras.Model:
    """A model with one named output for each place, and nothing that lies beyond them.

    Args:
        model: functional model with one input.
        places: output name -> place in the model.

    Returns:
        Functional model of the same name with a dict of outputs, over the same layers.
    """
    tensors = cut(model.inputs, list(places.values()))
    return keras.Model(model.inputs[0], dict(zip(places, tensors, strict=True)), name=model.name)


def cut(inputs: Sequence[Tensor], places: Sequence[Place]) -> list[Tensor]:
    """Tensors for the given places in a graph that computes nothing beyond them.

    Layers and weights are shared. A nested model that is only partly needed, or is tapped inside,
    is replaced by a model of the same name over the same layers, with exactly the outputs that
    are needed; what comes after it is called again on those.

    Args:
        inputs: symbolic inputs of the model.
        places: what to compute.

    Returns:
        One symbolic tensor for each place, all depending on `inputs` alone.
    """
    tapped: dict[Node, list[Place]] = {}
    for place in places:
        if place.calls:
            tapped.setdefault(place.calls[0], []).append(_inner(place))
    direct = [place.tensor for place in places if not place.calls]
    order = nodes_before([*(producer(tensor) for tensor in direct), *tapped])
    used = {id(tensor) for node in order for tensor in node.input_tensors} | {*map(id, direct)}
    made: dict[int, Tensor] = {id(tensor): tensor for tensor in inputs}
    inside: dict[Node, Iterator[Tensor]] = {}
    for node in order:
        needed = [tensor for tensor in node.outputs if id(tensor) in used]
        partly = len(needed) < len(node.outputs) or node in tapped
        if is_functional(node.operation) and partly:
            own = [_inner(innermost(tensor)) for tensor in needed]
            outputs = _call_part(node, [*own, *tapped.get(node, [])], made)
            made.update(zip(map(id, needed), outputs, strict=False))
            inside[node] = iter(outputs[len(needed) :])
        else:
            made.update(zip(map(id, node.outputs), _call_again(node, made), strict=True))
    return [
        next(inside[place.calls[0]]) if place.calls else made[id(place.tensor)] for place in places
    ]


def _inner(place: Place) -> Place:
    """The same place, seen from inside the outermost nested model."""
    return Place(place.calls[1:], place.tensor)


def _call_part(node: Node, places: Sequence[Place], made: dict[int, Tensor]) -> list[Tensor]:
    """Call that part of a nested model that makes the given places."""
    nested = node.operation
    inputs = nested.inputs[0] if len(nested.inputs) == 1 else nested.input
    part = keras.Model(inputs, cut(nested.inputs, places), name=nested.name)
    return _call(part, node, made)


def _call_again(node: Node, made: dict[int, Tensor]) -> list[Tensor]:
    """The outputs of a call, computed anew only where its inputs are other ones."""
    if all(made[id(tensor)] is tensor for tensor in node.input_tensors):
        return list(node.outputs)
    return _call(node.operation, node, made)


def _call(operation: Any, node: Node, made: dict[int, Tensor]) -> list[Tensor]:
    args, kwargs = node.arguments.fill_in(made)
    return list(keras.tree.flatten(operation(*args, **kwargs)))
