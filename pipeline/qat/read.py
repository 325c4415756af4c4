"""From a functional Keras 3 model to a blueprint: its graph, flattened, and its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from hintlite.errors import NetworkError
from hintlite.models.graph import check_functional, is_functional, model_nodes
from hintlite.pipeline.qat.blueprint import Blueprint, CarryError, Step
from hintlite.pipeline.qat.read_affine import (
    normalization,
    refusal,
    rescaling,
    two_maps_or_constant,
    with_constant,
)

Names = dict[int, str]  # id of a symbolic tensor -> name of the step that makes it
INPUT = "input"

# Settings that both Keras take under the same name; everything else (data types, initializers,
# regularizers, constraints) has no part in the function that the layer computes.
SAME: dict[str, tuple[str, ...]] = {
    "Conv2D": (
        *("filters", "kernel_size", "strides", "padding", "dilation_rate", "groups"),
        "use_bias",
    ),
    "DepthwiseConv2D": (
        *("kernel_size", "strides", "padding", "dilation_rate", "depth_multiplier"),
        "use_bias",
    ),
    "Dense": ("units", "use_bias"),
    "BatchNormalization": ("axis", "momentum", "epsilon", "center", "scale"),
    "ReLU": ("max_value", "negative_slope", "threshold"),
    "Softmax": ("axis",),
    "Add": (),
    "Multiply": (),
    "Maximum": (),
    "Concatenate": ("axis",),
    "MaxPooling2D": ("pool_size", "strides", "padding"),
    "AveragePooling2D": ("pool_size", "strides", "padding"),
    "GlobalAveragePooling2D": ("keepdims",),
    "GlobalMaxPooling2D": ("keepdims",),
    "ZeroPadding2D": ("padding",),
    "Cropping2D": ("cropping",),
    "Flatten": (),
    "Reshape": ("target_shape",),
    "Permute": ("dims",),
    "Dropout": ("rate", "noise_shape"),
    "SpatialDropout2D": ("rate",),
}
ACTIVATIONS = {
    **{name: name for name in ("linear", "relu", "relu6", "softmax", "sigmoid", "tanh")},
    **dict.fromkeys(("silu", "swish"), "swish"),
    **dict.fromkeys(("hard_silu", "hard_swish"), "hard_swish"),
}
# Layers that do nothing in inference, and which the file has not: training images are changed
# outside of the network, and the weights have been trained with them already.
TRAINING_ONLY = (
    *("GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization", "Identity"),
    *("AutoContrast", "AugMix", "CutMix", "Equalization", "MixUp", "RandAugment"),
)
HINTS = {
    "LayerNormalization": "use BatchNormalization, which becomes part of a convolution",
    "GroupNormalization": "use BatchNormalization, which becomes part of a convolution",
    "Conv1D": "use Conv2D with a kernel of height 1 on maps [batch, 1, length, channels]",
    "Lambda": "use a layer of Keras' own instead of a function",
    "PReLU": "use ReLU or LeakyReLU",
    "GetItem": "reorder or cut channels in the data, before the network",
    "ELU": "use ReLU, ReLU6 or LeakyReLU",
}


def read(model: keras.Model) -> Blueprint:
    """The blueprint of a model.

    Args:
        model: functional, one image `[batch, h, w, c]` in, one tensor out; nested models are
            flattened.

    Raises:
        CarryError: the model has another form, or a layer that cannot be carried over; the text
            names its type, its place and a way round.
    """
    try:
        check_functional(model)
    except NetworkError as error:
        raise CarryError(str(error)) from error
    if len(model.outputs) != 1:
        raise CarryError(
            f"model {model.name!r} has {len(model.outputs)} outputs; expected one, the logits: "
            'pass keras.Model(model.inputs, model.output["logits"])'
        )
    shape = model.inputs[0].shape[1:]
    if len(shape) != 3 or None in shape:
        raise CarryError(
            f"model {model.name!r} takes [batch, {', '.join(map(str, shape))}]; expected images "
            "[batch, h, w, c] of one fixed size: rebuild it with keras.Input((h, w, c))"
        )
    reader = _Reader()
    names = reader.walk(model, {id(model.inputs[0]): INPUT}, place="")
    output = names[id(model.outputs[0])]
    return Blueprint(INPUT, tuple(shape), tuple(reader.steps), output, tuple(reader.left_out))


class _Reader:
    """Collects steps while it walks through a model and the models nested in it."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.left_out: list[str] = []
        self.layers: set[int] = set()

    def walk(self, model: keras.Model, names: Names, place: str) -> Names:
        """Adds the steps of a model whose inputs are named already."""
        for node in model_nodes(model):
            operation = node.operation
            if isinstance(operation, keras.layers.InputLayer):
                continue
            inputs = [names[id(tensor)] for tensor in node.input_tensors]
            path = f"{place}{operation.name}"
            if is_functional(operation):
                inner = {id(t): n for t, n in zip(operation.inputs, inputs, strict=True)}
                inside = self.walk(operation, inner, f"{path}/")
                made = [inside[id(tensor)] for tensor in operation.outputs]
            else:
                made = [self._call(node, inputs, path)]
            for tensor, name in zip(node.output_tensors, made, strict=True):
                names[id(tensor)] = name
        return names

    def _call(self, node: Any, inputs: list[str], path: str) -> str:
        """Adds the steps of one call; returns the name of what it makes."""
        layer = node.operation
        if isinstance(layer, keras.layers.Layer):
            if id(layer) in self.layers and layer.weights:
                raise CarryError(
                    f"layer {path!r} ({type(layer).__name__}) is used twice with one set of "
                    "weights, which the quantizer cannot follow: give each place its own layer"
                )
            self.layers.add(id(layer))
            if _is_training_only(layer):
                self.left_out.append(f"{path!r} ({type(layer).__name__})")
                return inputs[0]
        made = _steps(node, layer, inputs, path)
        names = {INPUT, *(step.name for step in self.steps)}
        for step in made:
            if step.name in names:
                raise CarryError(f"two layers are called {step.name!r}: give each its own name")
        self.steps += made
        return made[-1].name


def _is_training_only(layer: Any) -> bool:
    kind = type(layer).__name__
    own = type(layer).__module__.startswith("keras.")
    return own and (kind in TRAINING_ONLY or kind.startswith("Random"))


def _steps(node: Any, layer: Any, inputs: list[str], path: str) -> list[Step]:
    """What one call becomes: one step, or several that compute the same."""
    name, kind = path.replace("/", "."), type(layer).__name__
    special = SPECIAL.get(kind)
    if special is not None:
        return special(node, name, inputs)
    if kind not in SAME or not type(layer).__module__.startswith("keras."):
        raise refusal(
            kind, path, HINTS.get(kind, "replace it by layers that can be, which docs/qat.md lists")
        )
    config = layer.get_config()
    if config.get("data_format", "channels_last") != "channels_last":
        raise refusal(kind, path, "build it with data_format='channels_last'")
    settings = {key: config[key] for key in SAME[kind] if config.get(key) is not None}
    weights = tuple(np.asarray(weight, np.float32) for weight in layer.get_weights())
    if kind in ("Dropout", "SpatialDropout2D"):
        weights = ()  # the state of its random generator is no weight
    step = Step(name, kind, tuple(inputs), settings, weights)
    return [step, *_activation(config.get("activation"), name, path)]


def _activation(activation: Any, before: str, path: str) -> list[Step]:
    """The activation that a layer carries within itself, as a step of its own."""
    if activation in (None, "linear"):
        return []
    known = ACTIVATIONS.get(activation) if isinstance(activation, str) else None
    if known is None:
        raise refusal(
            f"activation {activation!r}", path, f"use one of {', '.join(sorted(ACTIVATIONS))}"
        )
    return [_activation_step(f"{before}.{known}", known, before)]


def _activation_step(name: str, activation: str, before: str) -> Step:
    if activation in ("relu", "relu6"):
        settings = {"max_value": 6.0} if activation == "relu6" else {}
        return Step(name, "ReLU", (before,), settings)
    if activation == "softmax":
        return Step(name, "Softmax", (before,))
    if activation == "hard_swish":
        return Step(name, "HardSwish", (before,))
    return Step(name, "Activation", (before,), {"activation": activation})


def _activation_layer(node: Any, name: str, inputs: list[str]) -> list[Step]:
    activation = node.operation.get_config()["activation"]
    known = ACTIVATIONS.get(activation) if isinstance(activation, str) else None
    if known is None:
        choice = ", ".join(sorted(ACTIVATIONS))
        raise refusal(f"Activation({activation!r})", name, f"use one of {choice}")
    if known == "linear":
        return [Step(name, "Activation", (inputs[0],), {"activation": "linear"})]
    return [_activation_step(name, known, inputs[0])]


def _leaky_relu(node: Any, name: str, inputs: list[str]) -> list[Step]:
    alpha = float(node.operation.negative_slope)
    return [Step(name, "LeakyReLU", tuple(inputs), {"alpha": alpha})]


def _separable(node: Any, name: str, inputs: list[str]) -> list[Step]:
    """A depthwise and a 1x1 convolution with the same kernels."""
    layer = node.operation
    config, weights = layer.get_config(), [np.asarray(w, np.float32) for w in layer.get_weights()]
    depthwise = {key: config[key] for key in ("kernel_size", "strides", "padding")}
    depthwise |= {"dilation_rate": config["dilation_rate"], "use_bias": False}
    depthwise["depth_multiplier"] = config["depth_multiplier"]
    pointwise = {"filters": config["filters"], "kernel_size": 1, "use_bias": config["use_bias"]}
    middle = f"{name}.depthwise"
    return [
        Step(middle, "DepthwiseConv2D", tuple(inputs), depthwise, (weights[0],)),
        Step(name, "Conv2D", (middle,), pointwise, tuple(weights[1:])),
        *_activation(config["activation"], name, name),
    ]


SPECIAL: Mapping[str, Callable[[Any, str, list[str]], list[Step]]] = {
    "Activation": _activation_layer,
    "LeakyReLU": _leaky_relu,
    "SeparableConv2D": _separable,
    "Rescaling": rescaling,
    "Normalization": normalization,
    "Add": two_maps_or_constant("Add"),
    "Multiply": two_maps_or_constant("Multiply"),
    **dict.fromkeys(("Subtract", "Divide", "TrueDivide"), with_constant),
}
