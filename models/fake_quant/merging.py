"""Layers of several tensors, and those whose output has the range of their input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from hintlite.models.fake_quant.activations import constant
from hintlite.models.fake_quant.ranges import FakeQuantize, Tensor

COMBINED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Add": ops.add,
    "Subtract": ops.subtract,
    "Multiply": ops.multiply,
}
JOINED: dict[str, Callable[..., Tensor]] = {
    "Concatenate": ops.concatenate,
    "Maximum": ops.maximum,
    "Minimum": ops.minimum,
}


class Own(keras.layers.Layer):
    """A layer that computes in whatever its inputs come in."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **{**kwargs, "dtype": "float32"})
        self.built = True


@keras.saving.register_keras_serializable("hintlite")
class FakeQuantizedSum(Own):
    """Sum, difference or product of tensors, rounded after each of its operations.

    Args:
        kind: of COMBINED, or "Average".
        count: number of tensors.
        after: round the last result too; where not, whoever reads it does.
        bits: of the integers.
    """

    def __init__(
        self, kind: str, count: int, after: bool = True, bits: int = 8, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.kind, self.count, self.after, self.bits = kind, count, after, bits
        rounded = count - 1 if after or kind == "Average" else count - 2
        self.ranges = [FakeQuantize(bits=bits, name=f"sum{i}") for i in range(rounded)]
        self.mean = FakeQuantize(bits=bits, name="mean") if kind == "Average" and after else None

    @property
    def output_range(self) -> FakeQuantize | None:
        """What rounds the output; None where whoever reads it does."""
        return self.mean or self.ranges[-1] if self.after else None

    def call(self, inputs: Sequence[Tensor], training: bool = False) -> Tensor:
        """Tensors -> one."""
        operation = COMBINED["Add" if self.kind == "Average" else self.kind]
        y = inputs[0]
        for place, other in enumerate(inputs[1:]):
            y = operation(y, other)
            if place < len(self.ranges):
                y = self.ranges[place](y, training=training)
        if self.kind != "Average":
            return y
        y = y * constant(1 / self.count, y)
        return y if self.mean is None else self.mean(y, training=training)

    def get_config(self) -> dict[str, Any]:
        """What makes the same layer again."""
        own = {"kind": self.kind, "count": self.count, "after": self.after, "bits": self.bits}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("hintlite")
class FakeQuantizedJoin(Own):
    """Concatenation, maximum or minimum of tensors that are rounded over one range.

    Args:
        kind: of JOINED.
        axis: of a concatenation.
        bits: of the integers.
    """

    def __init__(self, kind: str, axis: int = -1, bits: int = 8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind, self.axis, self.bits = kind, axis, bits
        self.range = FakeQuantize(bits=bits, name="range")

    @property
    def output_range(self) -> FakeQuantize:
        """What rounds the inputs, and so the output."""
        return self.range

    def call(self, inputs: Sequence[Tensor], training: bool = False) -> Tensor:
        """Tensors -> one."""
        ends = self.range.ends(inputs, training)
        rounded = [self.range.rounded(each, *ends) for each in inputs]
        if self.kind == "Concatenate":
            return ops.concatenate(rounded, axis=self.axis)
        y = rounded[0]
        for other in rounded[1:]:
            y = JOINED[self.kind](y, other)
        return y

    def get_config(self) -> dict[str, Any]:
        """What makes the same layer again."""
        return {**super().get_config(), "kind": self.kind, "axis": self.axis, "bits": self.bits}


@keras.saving.register_keras_serializable("hintlite")
class FakeQuantizedPool(Own):
    """A layer that averages, such as a pooling, in the range of its input.

    TFLite's averages have one scale for both ends: in the file it is that of the input, where that
    is rounded already.

    Args:
        layer: of one input.
        before: round the input, which comes in float.
        bits: of the integers.
    """

    def __init__(
        self, layer: keras.layers.Layer, before: bool = True, bits: int = 8, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.layer, self.before, self.bits = layer, before, bits
        self.range = FakeQuantize(bits=bits, name="range")

    @property
    def output_range(self) -> FakeQuantize:
        """What rounds the output."""
        return self.range

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """As the layer."""
        ends = self.range.ends([x], training)
        x = self.range.rounded(x, *ends) if self.before else x
        return self.range.rounded(self.layer(x), *ends)

    def get_config(self) -> dict[str, Any]:
        """What makes the same layer again."""
        layer = keras.saving.serialize_keras_object(self.layer)
        return {**super().get_config(), "layer": layer, "before": self.before, "bits": self.bits}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FakeQuantizedPool:
        """What `get_config` tells of."""
        layer = keras.saving.deserialize_keras_object(config.pop("layer"))
        return cls(layer, **config)
