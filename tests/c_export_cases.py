"""Seeded one-operator models of every supported kind, with inputs and TFLM's outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from c_export_models import ModelBuilder, tflm_outputs

SAME, VALID = 0, 1
Rng = np.random.Generator


@dataclass(frozen=True)
class Case:
    name: str
    model: bytes
    inputs: np.ndarray  # int8 [n, bytes]
    expected: np.ndarray  # int8 [n, bytes]


def _zero(rng: Rng) -> int:
    return int(rng.choice([-128, 127, 0, int(rng.integers(-128, 128))]))


def _scale(rng: Rng) -> float:
    return float(np.float32(10 ** rng.uniform(-2.5, -0.5)))


def _int8(rng: Rng, shape) -> np.ndarray:
    """Random values, the extremes often among them."""
    style = rng.integers(3)
    if style == 0:
        return rng.choice(np.array([-128, 127], np.int8), shape)
    return rng.integers(-128, 128, shape, dtype=np.int8)


def _weights(rng: Rng, shape) -> np.ndarray:
    return np.maximum(_int8(rng, shape), -127)


def _inputs(rng: Rng, size: int) -> np.ndarray:
    return np.stack(
        [_int8(rng, size), rng.integers(-128, 128, size, dtype=np.int8), _extreme(rng, size)]
    )


def _extreme(rng: Rng, size: int) -> np.ndarray:
    return np.full(size, rng.choice([-128, 127]), np.int8)


def _weighted_scales(rng: Rng, taps: int, channels: int, source: float):
    """Weight scales and an output scale for which outputs fill int8."""
    scale = np.float32(10 ** rng.uniform(-3, -1.5, channels if rng.integers(4) else 1))
    target = source * float(scale.mean()) * np.sqrt(taps) * 74 * 74 / 60
    return scale, float(np.float32(target * 10 ** rng.uniform(-0.7, 0.7)))


def _bias(rng: Rng, channels: int, taps: int) -> np.ndarray:
    spread = int(74 * 74 * np.sqrt(taps)) + 1
    return rng.integers(-spread, spread + 1, channels, dtype=np.int32)


def _out_size(size: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    reach = (kernel - 1) * dilation + 1
    return -(-size // stride) if padding == SAME else (size - reach) // stride + 1


def _convolution(rng: Rng, builder: ModelBuilder, depthwise: bool):
    kernel = [int(k) for k in rng.choice([1, 1, 2, 3, 3, 4, 5], 2)]
    stride = [int(s) for s in rng.choice([1, 1, 2, 3], 2)]
    dilation = [int(d) for d in rng.choice([1, 1, 1, 2, 3], 2)]
    padding = int(rng.integers(2))
    least = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = [int(rng.integers(1 if padding == SAME else m, m + 6)) for m in least]
    in_c = int(rng.choice([1, 2, 3, 4, 5, 8, 12, 16, 17, 20]))
    batch = int(rng.choice([1, 1, 1, 2]))
    times = int(rng.choice([1, 1, 1, 2, 3])) if depthwise else 1
    out_c = in_c * times if depthwise else int(rng.integers(1, 14))
    taps = kernel[0] * kernel[1] * (1 if depthwise else in_c)
    out = [
        _out_size(n, k, s, d, padding)
        for n, k, s, d in zip(size, kernel, stride, dilation, strict=True)
    ]
    in_scale = _scale(rng)
    scale, out_scale = _weighted_scales(rng, taps, out_c, in_scale)
    x = builder.tensor([batch, *size, in_c], in_scale, _zero(rng))
    shape = [1, *kernel, out_c] if depthwise else [out_c, *kernel, in_c]
    axis = 3 if depthwise else 0
    w = builder.tensor(shape, scale, 0, data=_weights(rng, shape), axis=axis)
    b = builder.tensor([out_c], in_scale * scale, data=_bias(rng, out_c, taps), dtype="int32")
    y = builder.tensor([batch, *out, out_c], out_scale, _zero(rng))
    options = {
        "padding": padding,
        "strideH": stride[0],
        "strideW": stride[1],
        "dilationHFactor": dilation[0],
        "dilationWFactor": dilation[1],
        "fusedActivationFunction": int(rng.choice([0, 1, 2, 3])),
    }
    if depthwise:
        options["depthMultiplier"] = times
    # TFLM crashes on a DEPTHWISE_CONV_2D without a bias.
    operands = [x, w, b] if depthwise or rng.integers(5) else [x, w, -1]
    builder.operator("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", operands, [y], **options)
    return x, y


def conv(rng: Rng, builder: ModelBuilder):
    return _convolution(rng, builder, depthwise=False)


def depthwise(rng: Rng, builder: ModelBuilder):
    return _convolution(rng, builder, depthwise=True)


def dense(rng: Rng, builder: ModelBuilder):
    length, out_c = int(rng.integers(1, 70)), int(rng.integers(1, 20))
    batch = int(rng.choice([1, 1, 3]))
    in_scale = _scale(rng)
    scale, out_scale = _weighted_scales(rng, length, out_c, in_scale)
    x = builder.tensor([batch, length], in_scale, _zero(rng))
    w = builder.tensor([out_c, length], scale, 0, data=_weights(rng, (out_c, length)))
    b = builder.tensor([out_c], in_scale * scale, data=_bias(rng, out_c, length), dtype="int32")
    y = builder.tensor([batch, out_c], out_scale, _zero(rng))
    operands = [x, w, b] if rng.integers(4) else [x, w, -1]
    builder.operator(
        "FULLY_CONNECTED", operands, [y], fusedActivationFunction=int(rng.choice([0, 1, 2, 3]))
    )
    return x, y


def _shape(rng: Rng, rank: int | None = None) -> list[int]:
    rank = rank or int(rng.integers(1, 5))
    return (
        [1, *(int(n) for n in rng.integers(1, 7, rank - 1))]
        if rank > 1
        else [int(rng.integers(1, 30))]
    )


def _partner(rng: Rng, builder: ModelBuilder, x: int, shape: list[int], scale: float, zero: int):
    """The second operand: the input itself, its transpose, or a constant that broadcasts."""
    style = int(rng.integers(4))
    if style == 0:
        return x, shape
    if style == 1 and len(shape) == 4:
        order = [0, 1, 2, 3]
        rng.shuffle(order)
        turned = [shape[i] for i in order]
        if turned == shape:
            p = builder.tensor([4], data=order, dtype="int32")
            y = builder.tensor(turned, scale, zero)
            builder.operator("TRANSPOSE", [x, p], [y])
            return y, turned
    other = [1 if rng.integers(3) == 0 else n for n in shape][int(rng.integers(len(shape))) :]
    return builder.tensor(other, scale, zero, data=_int8(rng, other)), other


def _binary(kind: str) -> Callable[[Rng, ModelBuilder], tuple[int, int]]:
    def build(rng: Rng, builder: ModelBuilder):
        same = kind in ("MAXIMUM", "MINIMUM")
        shape = _shape(rng)
        scale, zero = _scale(rng), _zero(rng)
        x = builder.tensor(shape, scale, zero)
        other_scale = scale if same else _scale(rng)
        other_zero = zero if same else _zero(rng)
        partner, _ = _partner(rng, builder, x, shape, other_scale, other_zero)
        largest = max(scale, other_scale)
        natural = scale * other_scale * 100 if kind == "MUL" else largest
        out_scale = scale if same else float(np.float32(natural * 10 ** rng.uniform(-0.5, 0.7)))
        y = builder.tensor(shape, out_scale, zero if same else _zero(rng))
        operands = [x, partner] if rng.integers(2) else [partner, x]
        options = {} if same else {"fusedActivationFunction": int(rng.choice([0, 1, 2, 3]))}
        builder.operator(kind, operands, [y], **options)
        return x, y

    return build


def _unary(kind: str) -> Callable[[Rng, ModelBuilder], tuple[int, int]]:
    def build(rng: Rng, builder: ModelBuilder):
        shape = [1, 16, 17]  # every int8 can occur
        scale, zero = _scale(rng), _zero(rng)
        x = builder.tensor(shape, scale, zero)
        factor = 10 ** rng.uniform(-0.6 if kind != "HARD_SWISH" else -1.9, 0.6)
        out = (float(np.float32(scale * factor)), _zero(rng))
        if kind == "LOGISTIC":
            out = (1 / 256, -128)
        if kind == "RELU6":
            out = (scale, zero)
        y = builder.tensor(shape, *out)
        options = {"alpha": float(rng.uniform(-0.5, 1.5))} if kind == "LEAKY_RELU" else {}
        builder.operator(kind, [x], [y], **options)
        return x, y

    return build


def softmax(rng: Rng, builder: ModelBuilder):
    shape = [int(rng.integers(1, 4)), int(rng.choice([1, 2, 10, 33, 200]))]
    x = builder.tensor(shape, float(np.float32(10 ** rng.uniform(-3, 0.5))), _zero(rng))
    y = builder.tensor(shape, 1 / 256, -128)
    builder.operator("SOFTMAX", [x], [y], beta=float(rng.choice([1.0, 1.0, 0.3, 2.5])))
    return x, y


def mean(rng: Rng, builder: ModelBuilder):
    shape = [int(rng.choice([1, 2])), *(int(n) for n in rng.integers(1, 9, 3))]
    axes = sorted(int(a) for a in rng.choice(4, int(rng.integers(1, 4)), replace=False))
    keep = bool(rng.integers(2))
    out = [1 if i in axes else n for i, n in enumerate(shape)]
    out = out if keep else [n for i, n in enumerate(shape) if i not in axes]
    axes = [a - 4 if rng.integers(4) == 0 else a for a in axes]
    scale = _scale(rng)
    x = builder.tensor(shape, scale, _zero(rng))
    a = builder.tensor([len(axes)], data=axes, dtype="int32")
    y = builder.tensor(out, float(np.float32(scale * 10 ** rng.uniform(-0.7, 0.5))), _zero(rng))
    builder.operator("MEAN", [x, a], [y], keepDims=keep)
    return x, y


def _pool(kind: str) -> Callable[[Rng, ModelBuilder], tuple[int, int]]:
    def build(rng: Rng, builder: ModelBuilder):
        kernel = [int(k) for k in rng.integers(1, 5, 2)]
        stride = [int(s) for s in rng.integers(1, 4, 2)]
        padding = int(rng.integers(2))
        size = [int(rng.integers(k, k + 6)) for k in kernel]
        out = [_out_size(n, k, s, 1, padding) for n, k, s in zip(size, kernel, stride, strict=True)]
        channels = int(rng.choice([1, 3, 4, 7, 16, 19, 33]))
        scale, zero = _scale(rng), _zero(rng)
        batch = int(rng.choice([1, 1, 2]))
        x = builder.tensor([batch, *size, channels], scale, zero)
        y = builder.tensor([batch, *out, channels], scale, zero)
        builder.operator(
            kind, [x], [y], padding=padding, strideH=stride[0], strideW=stride[1],
            filterHeight=kernel[0], filterWidth=kernel[1],
            fusedActivationFunction=int(rng.choice([0, 1, 2, 3])),
        )  # fmt: skip
        return x, y

    return build


def pad(rng: Rng, builder: ModelBuilder):
    shape = _shape(rng, 4)
    amounts = rng.integers(0, 4, (4, 2))
    scale, zero = _scale(rng), _zero(rng)
    x = builder.tensor(shape, scale, zero)
    p = builder.tensor([4, 2], data=amounts, dtype="int32")
    out = [n + int(a) + int(b) for n, (a, b) in zip(shape, amounts, strict=True)]
    y = builder.tensor(out, scale, zero)
    builder.operator("PAD", [x, p], [y])
    return x, y


def concatenation(rng: Rng, builder: ModelBuilder):
    shape = _shape(rng, int(rng.integers(2, 5)))
    axis = int(rng.integers(len(shape)))
    count = int(rng.integers(2, 4))
    scale, zero = _scale(rng), _zero(rng)
    x = builder.tensor(shape, scale, zero)
    out = [n * count if i == axis else n for i, n in enumerate(shape)]
    y = builder.tensor(out, scale, zero)
    axis = axis - len(shape) if rng.integers(2) else axis
    builder.operator("CONCATENATION", [x] * count, [y], axis=axis, fusedActivationFunction=0)
    return x, y


def transpose(rng: Rng, builder: ModelBuilder):
    shape = [int(n) for n in rng.integers(1, 7, int(rng.integers(2, 5)))]
    order = rng.permutation(len(shape))
    scale, zero = _scale(rng), _zero(rng)
    x = builder.tensor(shape, scale, zero)
    p = builder.tensor([len(shape)], data=order, dtype="int32")
    y = builder.tensor([shape[i] for i in order], scale, zero)
    builder.operator("TRANSPOSE", [x, p], [y])
    return x, y


def reshape(rng: Rng, builder: ModelBuilder):
    shape = _shape(rng, 4)
    scale, zero = _scale(rng), _zero(rng)
    x = builder.tensor(shape, scale, zero)
    flat = [int(np.prod(shape)), 1]
    s = builder.tensor([2], data=flat, dtype="int32")
    y = builder.tensor(flat, scale, zero)
    builder.operator("RESHAPE", [x, s], [y], newShape=flat)
    return x, y


KINDS: dict[str, Callable[[Rng, ModelBuilder], tuple[int, int]]] = {
    "CONV_2D": conv,
    "DEPTHWISE_CONV_2D": depthwise,
    "FULLY_CONNECTED": dense,
    "AVERAGE_POOL_2D": _pool("AVERAGE_POOL_2D"),
    "MAX_POOL_2D": _pool("MAX_POOL_2D"),
    "MEAN": mean,
    "SOFTMAX": softmax,
    "PAD": pad,
    "CONCATENATION": concatenation,
    "TRANSPOSE": transpose,
    "RESHAPE": reshape,
    **{k: _binary(k) for k in ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM")},
    **{k: _unary(k) for k in ("RELU", "RELU6", "LEAKY_RELU", "HARD_SWISH", "LOGISTIC", "QUANTIZE")},
}


def make_case(kind: str, seed: int) -> Case:
    """One model of a kind, the same for the same seed."""
    rng = np.random.default_rng([sorted(KINDS).index(kind), seed])
    builder = ModelBuilder()
    x, y = KINDS[kind](rng, builder)
    model = builder.finish([x], [y])
    inputs = _inputs(rng, int(np.prod(builder.tensors[x].shape)))
    if kind in ("RELU", "RELU6", "LEAKY_RELU", "HARD_SWISH", "LOGISTIC", "QUANTIZE"):
        inputs[1, :256] = np.arange(-128, 128)
    return Case(f"{kind.lower()}_{seed}", model, inputs, tflm_outputs(model, inputs))


def make_cases(per_kind: dict[str, int] | int) -> list[Case]:
    """The first seeds of every kind, or as many as `per_kind` says for each."""
    count = per_kind if isinstance(per_kind, dict) else dict.fromkeys(KINDS, per_kind)
    return [make_case(kind, seed) for kind, n in count.items() for seed in range(n)]
