"""Find the logits of a classifier: its output without the final softmax."""

from dataclasses import replace
from typing import Any

import keras

from hintlite.errors import NetworkError
from hintlite.models.fake_quant.weights import FakeQuantizedWeights
from hintlite.models.graph import Node, Place, Tensor, innermost, named_outputs, producer

_STRIPPED = ("softmax", "log_softmax")
# They move numbers about without changing them; a softmax may hide before them.
_MOVERS = ("Reshape", "Flatten", "Identity", "Dropout", "Squeeze", "Activation")


def logits_place(model: keras.Model) -> Place:
    """Where a classifier's logits are.

    A final softmax is left out, whether it is a layer of its own or the activation of the last
    Dense; then a Dense without it is added to the graph, which has the same variables.

    Args:
        model: functional model with one output [batch, classes], or with a dict of outputs of
            which one is called "logits".

    Returns:
        The place of the logits [batch, classes].

    Raises:
        NetworkError: the model has several outputs, or none that has logits for each class.
    """
    named = named_outputs(model)
    if "logits" in named:
        return innermost(named["logits"])
    output = _only_output(model)
    if len(output.shape) != 2:
        raise NetworkError(
            f"model {model.name!r} has an output of shape {output.shape}; expected the scores of "
            "a classifier, [batch, classes]. End it with global pooling and a Dense layer."
        )
    place = _without_softmax(model, innermost(output))
    if place.tensor.shape[-1] < 2:
        raise NetworkError(
            f"model {model.name!r} has a single output unit; distillation needs one for each "
            "class. Train it again with Dense(2) and a softmax over both classes."
        )
    return place


def _only_output(model: keras.Model) -> Tensor:
    named = named_outputs(model)
    if len(model.outputs) == 1 and not named:
        return model.outputs[0]
    names = named or [producer(tensor).operation.name for tensor in model.outputs]
    raise NetworkError(
        f"model {model.name!r} has the outputs {', '.join(map(repr, names))}, none of them called "
        "'logits'; give it one output, the class scores: keras.Model(model.input, <that output>)."
    )


def _without_softmax(model: keras.Model, place: Place) -> Place:
    node = producer(place.tensor)
    activation = activation_name(node.operation)
    if activation in _STRIPPED:
        before = node.input_tensors[0]
        if hasattr(node.operation, "kernel"):
            return replace(place, tensor=_linear_twin(model, node.operation)(before))
        inside = innermost(before)
        return Place((*place.calls, *inside.calls), inside.tensor)
    if activation != "linear":
        raise NetworkError(
            f"model {model.name!r} ends in {node.operation.name!r} with the activation "
            f"{activation!r}; expected a softmax or none, so that the classes exclude each other. "
            "Train it again with one unit for each class and a softmax."
        )
    _refuse_hidden_softmax(model, node)
    return place


def _refuse_hidden_softmax(model: keras.Model, node: Node) -> None:
    last = node.operation.name
    while type(node.operation).__name__ in _MOVERS:
        node = producer(node.input_tensors[0])
        if activation_name(node.operation) in _STRIPPED:
            raise NetworkError(
                f"model {model.name!r} has its softmax {node.operation.name!r} before "
                f"{last!r}; make the softmax its last layer, so that it can be left out."
            )


def _linear_twin(model: keras.Model, layer: Any) -> keras.layers.Layer:
    """The same Dense without its activation; it holds the same variables, not copies of them."""
    if isinstance(layer, FakeQuantizedWeights):
        return layer.without_activation()
    if type(layer) is not keras.layers.Dense or layer.kernel is not getattr(layer, "_kernel", None):
        raise NetworkError(
            f"model {model.name!r} ends in {layer.name!r}, a {type(layer).__name__} with a "
            "softmax that cannot be taken apart; end it with a plain Dense (not quantized, no "
            "LoRA), or with a Softmax layer of its own."
        )
    twin = keras.layers.Dense.from_config({**layer.get_config(), "activation": "linear"})
    # Before it is built a layer takes variables by assignment, and a built one makes no others.
    twin._kernel, twin.bias, twin.input_spec = layer.kernel, layer.bias, layer.input_spec
    twin.built = True
    return twin


def activation_name(operation: Any) -> str:
    """The non-linearity that an operation applies last: "linear", "relu", "softmax", ...

    Args:
        operation: a Keras layer or operation.

    Returns:
        Keras' name of the function, or of the class for a layer that is one ("softmax", "relu6").
    """
    kind = type(operation).__name__
    if kind == "ReLU":
        return _relu_name(operation)
    if kind in _LAYERS:
        return _LAYERS[kind]
    function = getattr(operation, "activation", None)
    return "linear" if function is None else str(getattr(function, "__name__", function))


_LAYERS = {
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Relu": "relu",
    "Relu6": "relu6",
    "LeakyReLU": "leaky_relu",
    "PReLU": "prelu",
    "ELU": "elu",
}


def _relu_name(layer: Any) -> str:
    """ "relu" and "relu6" for those; "leaky_relu" for any other shape of the ReLU layer."""
    slope, threshold = float(layer.negative_slope or 0.0), float(layer.threshold or 0.0)
    if slope or threshold:
        return "leaky_relu"
    if layer.max_value is None:
        return "relu"
    return "relu6" if float(layer.max_value) == 6.0 else "clipped_relu"
