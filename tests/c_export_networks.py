"""Small random networks of every family that hintlite trains, as full-INT8 flatbuffers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from c_export_models import ModelBuilder

RELU, NONE = 1, 0
Tensor = tuple[int, list[int], float]  # index, shape, scale


class Stack:
    """Adds layers whose scales are such that values fill int8."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.builder = ModelBuilder()

    def input(self, *shape: int) -> Tensor:
        return self.builder.tensor([1, *shape], 1 / 64, -7), [1, *shape], 1 / 64

    def _output(self, shape: list[int], scale: float, activation: int) -> Tensor:
        zero = -128 if activation == RELU else int(self.rng.integers(-20, 20))
        return self.builder.tensor(shape, scale, zero), shape, scale

    def _weights(self, shape: list[int], channels: int, axis: int, x: Tensor):
        taps = int(np.prod(shape)) // channels
        scales = self.rng.uniform(0.5, 1.5, channels).astype(np.float32) / np.float32(
            45 * taps**0.5
        )
        data = np.clip(self.rng.normal(0, 45, shape), -127, 127).astype(np.int8)
        # Positive on the whole: no channel is 0 for every input, so that every weight counts.
        bias = self.rng.integers(0, int(3000 * taps**0.5), channels, dtype=np.int32)
        w = self.builder.tensor(shape, scales, data=data, axis=axis)
        b = self.builder.tensor([channels], scales * np.float32(x[2]), data=bias, dtype="int32")
        return w, b

    def conv(self, x: Tensor, out_c: int, kernel=3, stride=1, activation=RELU) -> Tensor:
        _, (_, height, width, depth), scale = x
        w, b = self._weights([out_c, kernel, kernel, depth], out_c, 0, x)
        shape = [1, -(-height // stride), -(-width // stride), out_c]
        y = self._output(shape, scale, activation)
        self.builder.operator(
            "CONV_2D", [x[0], w, b], [y[0]], strideH=stride, strideW=stride,
            dilationHFactor=1, dilationWFactor=1, fusedActivationFunction=activation,
        )  # fmt: skip
        return y

    def depthwise(self, x: Tensor, kernel=3, stride=1) -> Tensor:
        _, (_, height, width, depth), scale = x
        w, b = self._weights([1, kernel, kernel, depth], depth, 3, x)
        shape = [1, -(-height // stride), -(-width // stride), depth]
        y = self._output(shape, scale, RELU)
        self.builder.operator(
            "DEPTHWISE_CONV_2D", [x[0], w, b], [y[0]], strideH=stride, strideW=stride,
            dilationHFactor=1, dilationWFactor=1, depthMultiplier=1, fusedActivationFunction=RELU,
        )  # fmt: skip
        return y

    def dense(self, x: Tensor, out_c: int, activation=NONE) -> Tensor:
        length = int(np.prod(x[1]))
        w, b = self._weights([out_c, length], out_c, 0, x)
        y = self._output([1, out_c], x[2], activation)
        self.builder.operator(
            "FULLY_CONNECTED", [x[0], w, b], [y[0]], fusedActivationFunction=activation
        )
        return y

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        y = self._output(a[1], 1.5 * max(a[2], b[2]), RELU)
        self.builder.operator("ADD", [a[0], b[0]], [y[0]], fusedActivationFunction=RELU)
        return y

    def maxout(self, x: Tensor, out_c: int) -> Tensor:
        """The larger of two convolutions; TFLM compares numbers, so both share their scale."""
        pieces = [self.conv(x, out_c, activation=RELU) for _ in range(2)]
        y = self.builder.tensor(pieces[0][1], pieces[0][2], -128)
        self.builder.operator("MAXIMUM", [p[0] for p in pieces], [y])
        return y, pieces[0][1], pieces[0][2]

    def pool(self, x: Tensor, kind="MAX_POOL_2D", size=2) -> Tensor:
        shape = [1, x[1][1] // size, x[1][2] // size, x[1][3]]
        y = self.builder.tensor(shape, x[2], self.builder.tensors[x[0]].quantization.zeroPoint[0])
        self.builder.operator(
            kind, [x[0]], [y], padding=1, strideH=size, strideW=size,
            filterHeight=size, filterWidth=size, fusedActivationFunction=0,
        )  # fmt: skip
        return y, shape, x[2]

    def mean(self, x: Tensor) -> Tensor:
        axes = self.builder.tensor([2], data=[1, 2], dtype="int32")
        y = self._output([1, x[1][3]], x[2] * 0.5, RELU)
        self.builder.operator("MEAN", [x[0], axes], [y[0]], keepDims=False)
        return y

    def flatten(self, x: Tensor) -> Tensor:
        shape = [1, int(np.prod(x[1]))]
        wanted = self.builder.tensor([2], data=shape, dtype="int32")
        zero = self.builder.tensors[x[0]].quantization.zeroPoint[0]
        y = self.builder.tensor(shape, x[2], zero)
        self.builder.operator("RESHAPE", [x[0], wanted], [y], newShape=shape)
        return y, shape, x[2]

    def softmax(self, x: Tensor) -> Tensor:
        y = self.builder.tensor(x[1], 1 / 256, -128)
        self.builder.operator("SOFTMAX", [x[0]], [y], beta=1.0)
        return y, x[1], 1 / 256

    def finish(self, x: Tensor, y: Tensor) -> bytes:
        return self.builder.finish([x[0]], [y[0]])


def thin_deep() -> bytes:
    net = Stack(4)  # no channel is 0 for every input: each weight counts
    first = y = net.input(12, 12, 1)
    for width, stride in ((8, 1), (8, 1), (8, 2), (12, 1), (12, 1), (12, 2), (16, 1)):
        y = net.conv(y, width, stride=stride)
    return net.finish(first, net.dense(net.mean(y), 10))


def fitnet() -> bytes:
    net = Stack(2)
    first = y = net.input(12, 12, 3)
    for width in (6, 8):
        y = net.pool(net.maxout(net.maxout(y, width), width))
    y = net.dense(net.flatten(y), 30, RELU)
    return net.finish(first, net.softmax(net.dense(y, 10)))


def resnet8() -> bytes:
    net = Stack(3)
    first = net.input(16, 16, 3)
    y = net.conv(first, 8)
    for width, stride in ((8, 1), (12, 2), (16, 2)):
        main = net.conv(net.conv(y, width, stride=stride), width, activation=NONE)
        side = y if stride == 1 else net.conv(y, width, kernel=1, stride=2, activation=NONE)
        y = net.add(main, side)
    y = net.pool(y, "AVERAGE_POOL_2D", 4)
    return net.finish(first, net.softmax(net.dense(net.flatten(y), 10)))


def ds_cnn() -> bytes:
    net = Stack(1)
    first = net.input(16, 10, 1)
    y = net.conv(first, 16, stride=2)
    for _ in range(3):
        y = net.conv(net.depthwise(y), 16, kernel=1)
    return net.finish(first, net.softmax(net.dense(net.mean(y), 12)))


def autoencoder() -> bytes:
    net = Stack(5)
    first = y = net.input(96)
    for width in (32, 32, 8, 32, 32):
        y = net.dense(y, width, RELU)
    return net.finish(first, net.dense(y, 96))


FAMILIES: dict[str, Callable[[], bytes]] = {
    "thin_deep": thin_deep,
    "fitnet": fitnet,
    "resnet8": resnet8,
    "ds_cnn": ds_cnn,
    "autoencoder": autoencoder,
}


def network_inputs(model: bytes, count: int) -> np.ndarray:
    """Seeded inputs int8 `[count, bytes]`; the first two are all -128 and all 127."""
    from hintlite.deploy.c_export.read import read_model

    graph = read_model(model)
    shape = (count, graph.tensors[graph.inputs[0]].elements)
    values = np.random.default_rng(7).normal(0, 60, shape)
    values[0], values[1 % count] = -128, 127
    return np.clip(values, -128, 127).astype(np.int8)
