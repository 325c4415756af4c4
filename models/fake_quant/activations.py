"""Activations between integers, as the converter quantizes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops
from keras.quantizers import fake_quant_with_min_max_vars

from hintlite.models.fake_quant.ranges import FakeQuantize, Tensor, rounds

# Ranges that TFLite's kernels demand of their outputs (its quantization specification).
_OUTPUTS = {"sigmoid": (0.0, 255 / 256), "softmax": (0.0, 255 / 256), "tanh": (-1.0, 127 / 128)}
_RELU6 = 6.0
_OF_ONE: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x,
    "sigmoid": ops.sigmoid,
    "softmax": ops.softmax,
    "tanh": ops.tanh,
    "gelu": lambda x: ops.gelu(x, approximate=False),
    "gelu_tanh": lambda x: ops.gelu(x, approximate=True),
    "hard_silu": lambda x: x * ops.relu6(x + 3.0) * (1 / 6),
}
KINDS = (*_OF_ONE, "relu", "leaky_relu", "silu", "hard_sigmoid")
# Of one operator with what stands before it, so that nothing is rounded between.
FUSED = ("linear", "relu")


@keras.saving.register_keras_serializable("hintlite")
class FakeQuantizedActivation(keras.layers.Layer):
    """A non-linearity with its input and its output rounded.

    A ReLU whose output is rounded is the rounding alone: its range begins at 0.

    Args:
        kind: of KINDS.
        before: round the input, which comes in float.
        after: round the output; where not, whoever reads it does.
        slope: of a leaky ReLU, below 0.
        most: where a ReLU ends, 6 for ReLU6.
        bits: of the integers.
    """

    def __init__(
        self,
        kind: str,
        before: bool = False,
        after: bool = True,
        slope: float = 0.0,
        most: float | None = None,
        bits: int = 8,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **{**kwargs, "dtype": "float32"})
        self.kind, self.slope, self.most, self.bits = kind, slope, most, bits
        self.before = FakeQuantize(bits=bits, name="before") if before else None
        self.gate = None
        if kind == "silu":
            low, high = _OUTPUTS["sigmoid"]
            self.gate = FakeQuantize(low, high, bits=bits, name="gate")
        elif kind == "hard_sigmoid":
            self.gate = FakeQuantize(0.0, 6.0, bits=bits, name="gate")
        self.after = self._output_range() if after else None
        self.built = True

    def _output_range(self) -> FakeQuantize:
        settings: dict[str, Any] = {"bits": self.bits, "name": "after"}
        if self.kind == "relu":
            return FakeQuantize(low=0.0, most=self.most, **settings)
        if self.kind == "hard_sigmoid":
            return FakeQuantize(0.0, 1.0, **settings)
        return FakeQuantize(*_OUTPUTS.get(self.kind, (None, None)), **settings)

    @property
    def activation(self) -> Any:
        """The function that it stands for, as Keras' layers have one."""
        if self.kind == "relu":
            clipped = {None: keras.activations.relu, 6.0: keras.activations.relu6}
            return clipped.get(self.most, self)
        return getattr(keras.activations, self.kind, self)

    @property
    def output_range(self) -> FakeQuantize | None:
        """What rounds the output; None where whoever reads it does."""
        return self.after

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """A map of any shape -> the same shape."""
        if self.before is not None:
            x = self.before(x, training=training)
        y = self._function(x)
        return y if self.after is None else self.after(y, training=training)

    def _function(self, x: Tensor) -> Tensor:
        if self.kind == "relu":
            if self.after is not None and rounds():
                return x
            if self.most is None or self.most == _RELU6:
                return ops.relu(x) if self.most is None else ops.relu6(x)
            return ops.clip(x, 0.0, self.most)
        if self.kind == "leaky_relu":
            return ops.leaky_relu(x, self.slope)
        if self.gate is None:
            return _OF_ONE[self.kind](x)
        if self.kind == "silu":
            return x * self.gate(ops.sigmoid(x))
        return self.gate(ops.relu6(x + constant(3.0, x))) * constant(1 / 6, x)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """What makes the same layer again."""
        return {
            **super().get_config(),
            "kind": self.kind,
            "before": self.before is not None,
            "after": self.after is not None,
            "slope": self.slope,
            "most": self.most,
            "bits": self.bits,
        }


def constant(value: float, like: Tensor) -> Tensor:
    """A number, rounded as the file stores it: exactly, as the end of its range."""
    return ops.cast(fake_quant_with_min_max_vars(value, 0.0, value), like.dtype)
