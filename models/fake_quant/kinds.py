"""The activations of Keras' layers and operations, by the names that fake quantization has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_NAMES = {
    "linear": "linear",
    "relu": "relu",
    "relu6": "relu6",
    "softmax": "softmax",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "silu": "silu",
    "swish": "silu",
    "hard_silu": "hard_silu",
    "hard_swish": "hard_silu",
    "hard_sigmoid": "hard_sigmoid",
    "gelu": "gelu",
    "leaky_relu": "leaky_relu",
}
_LEAKY = 0.2  # slope of keras.activations.leaky_relu
_RELU6 = 6.0


@dataclass(frozen=True)
class Activation:
    """What FakeQuantizedActivation is to compute; see there."""

    kind: str
    slope: float = 0.0
    most: float | None = None

    @property
    def fixed(self) -> bool:
        """Whether the range of its output is given."""
        return self.kind in ("sigmoid", "softmax", "tanh", "hard_sigmoid")

    @property
    def handed_on(self) -> bool:
        """Whether its output may stay unrounded for a reader that rounds it."""
        return not self.fixed and self.most in (None, _RELU6)


NONE = Activation("linear")


def named(name: str) -> Activation | None:
    """The activation of one of Keras' names; None of one that cannot be quantized."""
    known = _NAMES.get(name)
    if known == "relu6":
        return Activation("relu", most=_RELU6)
    if known == "leaky_relu":
        return Activation("leaky_relu", slope=_LEAKY)
    return None if known is None else Activation(known)


def of_function(function: Any) -> Activation | None:
    """The activation of a function that a layer holds."""
    own = getattr(function, "__module__", "").startswith("keras.")
    return named(getattr(function, "__name__", "")) if own else None


def _of_relu(layer: Any) -> Activation | None:
    slope, threshold = float(layer.negative_slope or 0.0), float(layer.threshold or 0.0)
    if threshold or (slope and layer.max_value is not None):
        return None
    if slope:
        return Activation("leaky_relu", slope=slope)
    return Activation("relu", most=None if layer.max_value is None else float(layer.max_value))


def _of_softmax(operation: Any) -> Activation | None:
    return Activation("softmax") if operation.axis == -1 else None


def _of_gelu(operation: Any) -> Activation:
    return Activation("gelu_tanh" if operation.approximate else "gelu")


# Class of the layer or operation -> what it computes.
_CLASSES: Mapping[str, Callable[[Any], Activation | None]] = {
    "Activation": lambda layer: of_function(layer.activation),
    "ReLU": _of_relu,
    "LeakyReLU": lambda layer: Activation("leaky_relu", slope=float(layer.negative_slope)),
    "LeakyRelu": lambda op: Activation("leaky_relu", slope=float(op.negative_slope)),
    "Softmax": _of_softmax,
    "Gelu": _of_gelu,
    "Relu": lambda _: named("relu"),
    "Relu6": lambda _: named("relu6"),
    "Sigmoid": lambda _: named("sigmoid"),
    "Tanh": lambda _: named("tanh"),
    "Silu": lambda _: named("silu"),
    "HardSilu": lambda _: named("hard_silu"),
    "HardSigmoid": lambda _: named("hard_sigmoid"),
}


def is_activation(kind: str) -> bool:
    """Whether a class is a non-linearity that is looked at here."""
    return kind in _CLASSES


def of_class(kind: str, operation: Any) -> Activation | None:
    """The activation that a layer or operation is; None of one that cannot be quantized."""
    return _CLASSES[kind](operation)
