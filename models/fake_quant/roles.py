"""What each call of a network is to quantization, and what cannot be quantized."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from hintlite.errors import HintliteError
from hintlite.models.fake_quant.calls import Call
from hintlite.models.fake_quant.constants import Line, line_of
from hintlite.models.fake_quant.kinds import NONE, Activation, is_activation, of_class, of_function
from hintlite.models.fake_quant.linear import LINEAR
from hintlite.models.fake_quant.merging import JOINED

Kind = Literal["weights", "norm", "affine", "activation", "sum", "join", "pool", "pass"]

# The output lies on the grid of the input: numbers are moved about, repeated or left out.
_PASS = (
    *(f"{kind}{axes}D" for kind in ("MaxPooling", "GlobalMaxPooling") for axes in (1, 2)),
    *(f"{kind}{axes}D" for kind in ("ZeroPadding", "Cropping") for axes in (1, 2)),
    *("Flatten", "Reshape", "Permute", "RepeatVector", "UpSampling1D"),
    *("GetItem", "Squeeze", "ExpandDims", "Transpose", "Pad"),
)
_POOL = (
    *(f"{kind}{axes}D" for kind in ("AveragePooling", "GlobalAveragePooling") for axes in (1, 2)),
)
_HINTS = {
    "LayerNormalization": "use BatchNormalization, which becomes part of a convolution",
    "GroupNormalization": "use BatchNormalization, which becomes part of a convolution",
    "PReLU": "use ReLU or LeakyReLU",
    "ELU": "use ReLU, ReLU6 or LeakyReLU",
    "LSTM": "calibrate the trained network: hintlite.quantize",
    "GRU": "calibrate the trained network: hintlite.quantize",
    "Lambda": "use a layer of Keras' own instead of a function",
}
_ANY = "replace it by layers that can be, which docs/qat.md lists"


class RefusedError(HintliteError):
    """Why one call cannot be quantized."""


@dataclass(frozen=True)
class Role:
    """What a call is.

    Attributes:
        kind: see `Kind`.
        activation: of "activation" and "weights".
        line: of "affine".
    """

    kind: Kind
    activation: Activation = NONE
    line: Line | None = None

    @property
    def linear(self) -> bool:
        """Whether its output may stay unrounded up to a ReLU, which becomes part of it."""
        plain = self.kind == "weights" and self.activation.kind == "linear"
        return plain or self.kind in ("norm", "affine", "sum")

    @property
    def is_relu(self) -> bool:
        """Whether it is a ReLU of its own."""
        return self.kind == "activation" and self.activation.kind == "relu"


def role_of(call: Call) -> Role:
    """What a call is.

    Raises:
        RefusedError: it cannot be quantized.
    """
    operation, kind = call.operation, call.kind
    if getattr(operation, "data_format", "channels_last") not in ("channels_last", None):
        raise RefusedError("build it with data_format='channels_last'")
    if type(operation) in LINEAR:
        return _weights(operation)
    if kind == "BatchNormalization":
        return _norm(call)
    if is_activation(kind):
        return Role("activation", _known(of_class(kind, operation), operation))
    if kind in ("Add", "Subtract", "Multiply", "Average") and len(call.inputs) > 1:
        return Role("sum")
    if kind in JOINED and len(call.inputs) > 1:
        return Role("join")
    if kind in _POOL or _is_mean_of_places(kind, operation):
        return Role("pool")
    if kind in ("UpSampling2D", "Resizing"):
        return Role("pass" if operation.interpolation == "nearest" else "pool")
    if kind in _PASS:
        return Role("pass")
    line = line_of(call.node)
    if line is not None and call.kind:
        return Role("affine", line=line)
    raise RefusedError(_HINTS.get(type(operation).__name__, _ANY))


def _weights(layer: Any) -> Role:
    if getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None):
        raise RefusedError("merge its LoRA weights and leave it unquantized")
    return Role("weights", _known(of_function(layer.activation), layer))


def _norm(call: Call) -> Role:
    last = len(call.node.input_tensors[0].shape) - 1
    if call.operation.axis not in (-1, last):
        raise RefusedError("normalize the last axis, the channels")
    if call.node.arguments.kwargs.get("training"):
        raise RefusedError(
            "call it without training=True, so that the file can use moving averages"
        )
    return Role("norm")


def _known(activation: Activation | None, operation: Any) -> Activation:
    if activation is None:
        function = getattr(operation, "activation", None)
        name = getattr(function, "__name__", type(operation).__name__)
        hint = _HINTS.get(type(operation).__name__)
        raise RefusedError(
            hint or f"its activation {name!r} has no INT8 kernel here: use ReLU or swish"
        )
    return activation


def _is_mean_of_places(kind: str, operation: Any) -> bool:
    return kind == "Mean" and operation.axis is not None
