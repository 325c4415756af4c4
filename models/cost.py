"""Parameters and multiply-accumulate operations (MACs) of a functional Keras model."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import keras

from hintlite.errors import NetworkError
from hintlite.models.graph import Node, Tensor, check_functional, is_functional, model_nodes

Shape = tuple[int, ...]


@dataclass(frozen=True)
class LayerCost:
    """Cost of one call of one layer.

    Attributes:
        name: layer path, with the names of nested models before it.
        kind: class of the layer.
        output_shape: shape of its (first) output, without the batch.
        parameters: its weights, in scalars; 0 at the second call of a layer that is called again.
        macs: multiplications with accumulation for one image.
        counted: False where the class is unknown and has weights, or multiplies tensors; its
            MACs then stand as 0 though they are not.
    """

    name: str
    kind: str
    output_shape: tuple[int | None, ...]
    parameters: int
    macs: int
    counted: bool


@dataclass(frozen=True)
class Cost:
    """Cost of a model for one image.

    Attributes:
        parameters: all weights, in scalars; moving statistics are among them.
        trainable_parameters: those that training changes.
        macs: multiply-accumulate operations of all layers that could be counted.
        layers: one entry for each call of a layer, in the order of the graph.
    """

    parameters: int
    trainable_parameters: int
    macs: int
    layers: tuple[LayerCost, ...]

    @property
    def uncounted(self) -> tuple[str, ...]:
        """Names of the layers whose MACs are unknown and missing in the sum."""
        return tuple(layer.name for layer in self.layers if not layer.counted)


def count_parameters(model: keras.Model) -> int:
    """Number of scalars in all weights of a model, each weight once.

    Args:
        model: any built Keras model.

    Returns:
        Trainable and other weights together, as in Keras' summary.
    """
    return _scalars(model.weights)


def count_macs(model: keras.Model) -> int:
    """Multiply-accumulate operations of a model for one image; see `cost`."""
    return cost(model).macs


def cost(model: keras.Model) -> Cost:
    """Count parameters and MACs layer by layer.

    Counted are convolutions (1D to 3D, strides, dilation, groups, depthwise, separable,
    transposed), Dense, LSTM and GRU, without their biases. Each output pixel of a convolution costs
    the whole kernel, also where it reaches over the border; each *input* pixel of a transposed one
    does.
    Batch normalization, activations, pools and sums cost no MACs.

    Args:
        model: functional model with one input of fixed size; nested models are stepped into.

    Returns:
        The cost for one image.

    Raises:
        NetworkError: the model is not functional, or its input has no fixed size.
    """
    check_functional(model)
    size = model.inputs[0].shape[1:]
    if None in size:
        raise NetworkError(
            f"model {model.name!r} takes images of shape {size}: the cost of an open size is "
            "unknown; build it with a fixed input_shape."
        )
    seen: set[int] = set()
    layers = tuple(_layer_cost(*call, seen) for call in _calls(model, list(model.inputs), ""))
    return Cost(
        parameters=count_parameters(model),
        trainable_parameters=_scalars(model.trainable_weights),
        macs=sum(layer.macs for layer in layers),
        layers=layers,
    )


def _scalars(weights: list[Any]) -> int:
    return sum(prod(shape) for shape in {id(w): tuple(w.shape) for w in weights}.values())


Call = tuple[str, Any, list[Tensor], list[Tensor]]  # path, operation, inputs, outputs


def _calls(model: keras.Model, inputs: list[Tensor], prefix: str) -> Iterator[Call]:
    """All calls of layers, nested models stepped into, with the shapes that really arrive.

    A nested model may have been built with an open size: then the shapes in its own graph are
    unknown, and are worked out anew.
    """
    made = {id(own): given for own, given in zip(model.inputs, inputs, strict=True)}
    for node in model_nodes(model):
        if node.is_input:
            continue
        outputs = _outputs(node, made)
        made.update(zip(map(id, node.outputs), outputs, strict=True))
        arrived = [made[id(tensor)] for tensor in node.input_tensors]
        path = f"{prefix}{node.operation.name}"
        if is_functional(node.operation):
            yield from _calls(node.operation, arrived, f"{path}/")
        else:
            yield path, node.operation, arrived, outputs


def _outputs(node: Node, made: dict[int, Tensor]) -> list[Tensor]:
    if all(made[id(tensor)].shape == tensor.shape for tensor in node.input_tensors):
        return list(node.outputs)
    args, kwargs = node.arguments.fill_in(made)
    return list(keras.tree.flatten(node.operation.compute_output_spec(*args, **kwargs)))


def _layer_cost(
    path: str, layer: Any, inputs: list[Tensor], outputs: list[Tensor], seen: set[int]
) -> LayerCost:
    kind = type(layer).__name__
    weights = list(getattr(layer, "weights", []))
    rule = _RULES.get(kind)
    known = rule is not None or kind in _FREE or (not weights and kind not in _PRODUCTS)
    macs = rule(layer, tuple(inputs[0].shape[1:]), tuple(outputs[0].shape[1:])) if rule else 0
    fresh = [weight for weight in weights if id(weight) not in seen]
    seen.update(map(id, fresh))
    return LayerCost(path, kind, tuple(outputs[0].shape[1:]), _scalars(fresh), macs, known)


def _pixels(layer: Any, shape: Shape) -> int:
    """Number of positions of a feature map."""
    return prod(shape[:-1] if layer.data_format == "channels_last" else shape[1:])


def _channels(layer: Any, shape: Shape) -> int:
    return shape[-1] if layer.data_format == "channels_last" else shape[0]


def _convolution(layer: Any, inputs: Shape, outputs: Shape) -> int:
    per_filter = prod(layer.kernel_size) * _channels(layer, inputs) // layer.groups
    return _pixels(layer, outputs) * per_filter * layer.filters


def _transposed(layer: Any, inputs: Shape, outputs: Shape) -> int:
    per_pixel = prod(layer.kernel_size) * _channels(layer, inputs) * layer.filters
    return _pixels(layer, inputs) * per_pixel


def _depthwise(layer: Any, inputs: Shape, outputs: Shape) -> int:
    channels = _channels(layer, inputs) * layer.depth_multiplier
    return _pixels(layer, outputs) * prod(layer.kernel_size) * channels


def _separable(layer: Any, inputs: Shape, outputs: Shape) -> int:
    between = _channels(layer, inputs) * layer.depth_multiplier
    return _depthwise(layer, inputs, outputs) + _pixels(layer, outputs) * between * layer.filters


def _recurrent(gates: int) -> Callable[[Any, Shape, Shape], int]:
    """In each time step every gate reads the input and the state; products of gates are no MACs."""

    def rule(layer: Any, inputs: Shape, outputs: Shape) -> int:
        units = int(layer.units)
        return inputs[0] * gates * units * (inputs[1] + units)

    return rule


def _dense(layer: Any, inputs: Shape, outputs: Shape) -> int:
    return prod(inputs) * int(layer.units)


_RULES: dict[str, Callable[[Any, Shape, Shape], int]] = {
    **{f"Conv{n}D": _convolution for n in (1, 2, 3)},
    **{f"Conv{n}DTranspose": _transposed for n in (1, 2, 3)},
    **{f"DepthwiseConv{n}D": _depthwise for n in (1, 2)},
    **{f"SeparableConv{n}D": _separable for n in (1, 2)},
    "Dense": _dense,
    "LSTM": _recurrent(4),
    "GRU": _recurrent(3),
}
# They have weights, but scale and shift alone (or look up): no products are accumulated.
_FREE = ("BatchNormalization", "LayerNormalization", "GroupNormalization", "Normalization",
         "UnitNormalization", "PReLU", "Embedding")  # fmt: skip
# They have no weights, but multiply one tensor by another.
_PRODUCTS = ("Matmul", "Einsum", "Tensordot", "Dot", "Inner", "Vdot", "Conv", "DepthwiseConv",
             "SeparableConv", "ConvTranspose", "Attention", "AdditiveAttention")  # fmt: skip
