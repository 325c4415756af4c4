"""The graph of a functional Keras model, nested models included: walk it and find places in it.

Keras keeps the graph in the history of its symbolic tensors: the call (node) that made each. A
layer that also serves in other models has other nodes too, so everything here starts from the
outputs of the model in question.
"""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from hintlite.errors import NetworkError

Tensor = Any  # keras.KerasTensor
Node = Any  # one call of a layer in a graph


@dataclass(frozen=True, eq=False)
class Place:
    """Where a tensor is made.

    Attributes:
        calls: the calls of nested models to step into, outermost first.
        tensor: the symbolic tensor in the innermost model.
    """

    calls: tuple[Node, ...]
    tensor: Tensor


def check_functional(model: keras.Model) -> None:
    """Refuse a model whose graph cannot be read.

    Raises:
        NetworkError: it is no model, or is not functional, or has more than one input.
    """
    if not isinstance(model, keras.Model):
        raise NetworkError(f"expected a keras.Model, got a {type(model).__name__}.")
    if not is_functional(model):
        raise NetworkError(
            f"model {model.name!r} ({type(model).__name__}) is not functional, so its layers "
            "cannot be tapped; build it with keras.Model(inputs, outputs), or as a Sequential "
            "that begins with keras.Input."
        )
    if len(model.inputs) != 1:
        raise NetworkError(
            f"model {model.name!r} has {len(model.inputs)} inputs; expected one, the image."
        )


def is_functional(operation: Any) -> bool:
    """Whether an operation is a model with a graph: functional, or a built Sequential."""
    if isinstance(operation, keras.Sequential):
        return bool(operation.built) and hasattr(operation, "inputs")
    return isinstance(operation, keras.Model) and isinstance(operation, keras.Function)


def named_outputs(model: keras.Model) -> dict[str, Tensor]:
    """The outputs of a functional model by name; empty where they are not a dict."""
    # A Sequential has no structure of outputs until it is called.
    struct = None if isinstance(model, keras.Sequential) else model.output
    return dict(struct) if isinstance(struct, dict) else {}


def producer(tensor: Tensor) -> Node:
    """The call that made a symbolic tensor."""
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index]


def nodes_before(ends: Sequence[Node]) -> list[Node]:
    """All calls that the given ones depend on, and these themselves, inputs first."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack = [(node, False) for node in reversed(ends)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((parent, False) for parent in reversed(node.parent_nodes))
    return order


def model_nodes(model: keras.Model) -> list[Node]:
    """All calls that the outputs of a functional model depend on, inputs first."""
    return nodes_before([producer(tensor) for tensor in model.outputs])


def innermost(tensor: Tensor) -> Place:
    """Step into nested models as long as the tensor is one of their outputs."""
    node = producer(tensor)
    if not is_functional(node.operation):
        return Place((), tensor)
    inside = innermost(node.operation.outputs[tensor._keras_history.tensor_index])
    return Place((node, *inside.calls), inside.tensor)


def layer_paths(model: keras.Model, prefix: str = "") -> Iterator[str]:
    """Paths of all layers, as in "base/block_1_conv", inputs first."""
    for node in model_nodes(model):
        if node.is_input:
            continue
        path = f"{prefix}{node.operation.name}"
        yield path
        if is_functional(node.operation):
            yield from layer_paths(node.operation, f"{path}/")


def find_layer(model: keras.Model, path: str) -> Place:
    """The place of a layer's output.

    Args:
        model: functional model.
        path: layer name, with the names of the nested models before it: "base/block_1_conv".

    Returns:
        The place of the only output of that layer.

    Raises:
        NetworkError: there is no such layer, it is called more than once, or has several outputs.
    """
    calls: list[Node] = []
    here = model
    names = path.split("/")
    for depth, name in enumerate(names):
        node = _only_call(model, here, name, path)
        if depth + 1 < len(names):
            if not is_functional(node.operation):
                raise _unknown(model, path)
            calls.append(node)
            here = node.operation
    if len(node.outputs) != 1:
        raise NetworkError(
            f"layer {path!r} has {len(node.outputs)} outputs; a tap needs a layer with one."
        )
    inside = innermost(node.outputs[0])
    return Place((*calls, *inside.calls), inside.tensor)


def _only_call(model: keras.Model, here: keras.Model, name: str, path: str) -> Node:
    nodes = [n for n in model_nodes(here) if n.operation.name == name and not n.is_input]
    if not nodes:
        raise _unknown(model, path)
    if len(nodes) > 1:
        raise NetworkError(
            f"layer {name!r} of the path {path!r} is called {len(nodes)} times in model "
            f"{here.name!r}, so its output is not one tensor; tap a layer that is called once, "
            "such as the one that takes its output."
        )
    return nodes[0]


def _unknown(model: keras.Model, path: str) -> NetworkError:
    paths = list(layer_paths(model))
    last = path.rsplit("/", 1)[-1]
    same_name = [p for p in paths if p.rsplit("/", 1)[-1] == last]
    near = (same_name + difflib.get_close_matches(path, paths, n=3, cutoff=0.5))[:3] or paths[-3:]
    return NetworkError(
        f"model {model.name!r} has no layer {path!r}; the nearest of its {len(paths)} layer paths "
        f"are {', '.join(repr(p) for p in near)}."
    )
