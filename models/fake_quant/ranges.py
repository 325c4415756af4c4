"""Fake quantization: values rounded to what integers of a few bits can hold, in float arithmetic.

`q = round(x / s)`, clipped to the integers there are, and back: `s * q` (Jacob et al. 2018, arXiv
1712.05877, equation 12). The gradient passes where x lies within the range, and is 0 elsewhere.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any, Literal

import keras
from keras import ops
from keras.quantizers import fake_quant_with_min_max_vars

Tensor = Any

# A channel that is all but dead would get a scale so small that its bias leaves 32 bits.
_LEAST_CHANNEL = 1e-3  # of the largest channel's width
_TINY = 1e-12

Mode = Literal["round", "settled", "observe", "float"]
_MODE: ContextVar[Mode] = ContextVar("mode", default="round")


@contextlib.contextmanager
def computing(mode: Mode) -> Iterator[None]:
    """Within it fake-quantized networks that are called or traced compute in another way.

    Args:
        mode: "round" is what they do by default; "settled": all ranges are known, so nothing looks
            after those that are not; "float": nothing is rounded; "observe": nothing is rounded,
            and ranges widen to what they see.
    """
    token = _MODE.set(mode)
    try:
        yield
    finally:
        _MODE.reset(token)


def rounds() -> bool:
    """Whether values are rounded here and now; see `computing`."""
    return _MODE.get() in ("round", "settled")


def quantized_kernel(kernel: Tensor, bits: int, per_channel: bool, joint: int = 1) -> Tensor:
    """A kernel on a symmetric grid of `2^bits - 1` values, its zero exact.

    Args:
        kernel: float32 `[..., channels]`.
        bits: 4 or 8.
        per_channel: one scale a channel, else one for all.
        joint: last axes that make up the channels: 2 of a depthwise kernel, `[..., channels,
            multiplier]`.
    """
    if not rounds():
        return kernel
    flat = kernel if joint == 1 else ops.reshape(kernel, (*kernel.shape[:-2], 1, -1))
    axes = tuple(range(len(flat.shape) - 1)) if per_channel else None
    widest = ops.stop_gradient(ops.max(ops.abs(flat), axis=axes))
    widest = ops.maximum(widest, ops.maximum(_LEAST_CHANNEL * ops.max(widest), _TINY))
    axis = -1 if per_channel else None
    rounded = fake_quant_with_min_max_vars(flat, -widest, widest, bits, True, axis)
    return rounded if joint == 1 else ops.reshape(rounded, kernel.shape)


@keras.saving.register_keras_serializable("hintlite")
class FakeQuantize(keras.layers.Layer):
    """Rounds activations per tensor, over a range that follows their extremes while training.

    Each end is an exponential moving average of the smallest and largest value of a batch (Jacob
    et al. 2018, section 3.1), always with 0 within. A range that has seen nothing yet, `low ==
    high`, is the batch's own. Where `trainable` is False the range stays as it is.

    Args:
        low, high: ends that are known; None for those that move.
        most: what a moving upper end does not pass: 6 for ReLU6.
        bits: of the integers.
        momentum: of the moving average.
    """

    def __init__(
        self,
        low: float | None = None,
        high: float | None = None,
        most: float | None = None,
        bits: int = 8,
        momentum: float = 0.99,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **{**kwargs, "dtype": "float32"})
        self.fixed, self.most, self.bits, self.momentum = (low, high), most, bits, momentum
        self.low, self.high = (
            self.add_weight(
                shape=(),
                initializer=keras.initializers.Constant(end or 0.0),
                trainable=False,
                dtype="float32",
                name=name,
            )
            for name, end in (("low", low), ("high", high))
        )
        self.built = True

    @property
    def moves(self) -> bool:
        """Whether an end is to be learned."""
        return None in self.fixed

    @property
    def known(self) -> bool:
        """Whether it has a range: it was fixed, or has seen values other than 0."""
        return float(self.high) > float(self.low)

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """Values of any shape -> the same, rounded."""
        return self.rounded(x, *self.ends([x], training))

    def ends(self, tensors: Sequence[Tensor], training: bool = False) -> tuple[Tensor, Tensor]:
        """The range for a batch of tensors that share it; moves it in training."""
        now = (self.low.value, self.high.value)
        if _MODE.get() == "observe" and self.moves:
            least, most = self.extremes(tensors)
            self.low.assign(ops.minimum(now[0], least))
            self.high.assign(ops.maximum(now[1], most))
        if not self.moves or _MODE.get() != "round":
            return now
        seen = self.high.value > self.low.value
        if not (training and self.trainable):
            return ops.cond(seen, lambda: now, lambda: self.extremes(tensors))
        step = ops.where(seen, 1.0 - self.momentum, 1.0)
        ends = []
        for end, batch in zip((self.low, self.high), self.extremes(tensors), strict=True):
            ends.append(end.value + step * (batch - end.value))
            end.assign(ends[-1])
        return ends[0], ends[1]

    def extremes(self, tensors: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Smallest and largest value, fixed ends as they are."""
        low, high = self.fixed
        found = [ops.cast(ops.stop_gradient(tensor), "float32") for tensor in tensors]
        least = [ops.min(each) for each in found] if low is None else [low]
        most = [ops.max(each) for each in found] if high is None else [high]
        high_end = ops.max(ops.stack([0.0, *most]))
        cap = high_end if self.most is None else ops.minimum(high_end, self.most)
        return ops.min(ops.stack([0.0, *least])), cap

    def rounded(self, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Values rounded over a range; computed in float32, given in the type of x."""
        return fake_quant_with_min_max_vars(x, low, high, self.bits) if rounds() else x

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """What makes the same layer again."""
        low, high = self.fixed
        own = {"low": low, "high": high, "most": self.most}
        return {**super().get_config(), **own, "bits": self.bits, "momentum": self.momentum}
