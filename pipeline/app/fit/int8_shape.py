"""The INT8 file that a student's settings would become, without building or training it.

A sketch is a model as deploy reads it from a file, but for names and values: operators, shapes
and types are those of the converted network, so that lifetimes, arena, MACs and parameters come
from the very functions that are used on real files. It takes about a millisecond.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from hintlite.deploy.tflite.graph import BITS, Graph, Model, Operator, Options, Quantization, Tensor
from hintlite.errors import NetworkError
from hintlite.models.plan import Step, stages, stem_kernel, stem_stride
from hintlite.models.pooling_sizes import pool_chain
from hintlite.models.settings import MaxoutLayer, NetworkConfig, check_kind

Shape = tuple[int, ...]
PLAIN = Quantization((1.0,), (0,), 0)
SAME, VALID = {"padding": "SAME"}, {"padding": "VALID"}


class _Drawing:
    """Tensors and operators, in the order in which they are drawn."""

    def __init__(self, image: Shape) -> None:
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []
        self.axes = len(image) - 1
        self.image = self._tensor("image", (1, *image), "INT8", PLAIN)

    def as_map(self) -> int:
        """The input; of a series reshaped to a map of height 1, as the converter does."""
        if self.axes != 1:
            return self.image
        return self.constant_operand("RESHAPE", self.image, (4,), (1, *self.shape(self.image)))

    def _tensor(
        self,
        name: str,
        shape: Shape,
        dtype: str,
        quantization: Quantization | None,
        constant: bool = False,
    ) -> int:
        index = len(self.tensors)
        size = (math.prod(shape) * BITS[dtype] + 7) // 8
        data = np.broadcast_to(np.uint8(0), (size,)) if constant else None  # takes no memory
        entry = (index, name, shape, shape, dtype, quantization, index, data, False)
        self.tensors.append(Tensor(*entry))
        return index

    def operator(self, name: str, inputs: tuple[int, ...], shape: Shape, options: Options) -> int:
        """An operator with one output of the given shape; the output's index."""
        output = self._tensor(f"{name} {len(self.operators)}", shape, "INT8", PLAIN)
        entry = (len(self.operators), name, 1, False, inputs, (output,), options)
        self.operators.append(Operator(*entry))
        return output

    def shape(self, index: int) -> Shape:
        return self.tensors[index].shape

    def weighted(
        self,
        name: str,
        x: int,
        weights: Shape,
        channels: int,
        shape: Shape,
        options: Options,
    ) -> int:
        """An operator with weights, a scale a channel, and a bias."""
        dimension = weights.index(channels) if name != "DEPTHWISE_CONV_2D" else len(weights) - 1
        scales = Quantization((1.0,) * channels, (0,) * channels, dimension)
        kernel = self._tensor("weights", weights, "INT8", scales, constant=True)
        bias = self._tensor("bias", (channels,), "INT32", scales, constant=True)
        return self.operator(name, (x, kernel, bias), shape, options)

    def convolution(
        self,
        x: int,
        channels: int,
        kernel: Shape,
        stride: int = 1,
        padding: str = "SAME",
        dilation: int = 1,
    ) -> int:
        """Over two axes, over one (a map of height 1), or over none (fully connected)."""
        batch, *sizes, inputs = self.shape(x)
        if not sizes:
            dense = (channels, inputs)
            return self.weighted("FULLY_CONNECTED", x, dense, channels, (batch, channels), {})
        steps = self._steps(stride)
        taps: Shape = kernel if padding == "VALID" else (1, 1)
        places = [-(-(n - k + 1) // step) for n, k, step in zip(sizes, taps, steps, strict=True)]
        weights, options = (channels, *kernel, inputs), _moving(steps, padding, dilation)
        shape = (batch, *places, channels)
        return self.weighted("CONV_2D", x, weights, channels, shape, options)

    def depthwise(self, x: int, kernel: int, stride: int, dilation: int) -> int:
        batch, height, width, channels = self.shape(x)
        rows, columns = self._steps(stride)
        shape = (batch, -(-height // rows), -(-width // columns), channels)
        weights = (1, *self.kernel(kernel), channels)
        options = _moving((rows, columns), "SAME", dilation)
        return self.weighted("DEPTHWISE_CONV_2D", x, weights, channels, shape, options)

    def kernel(self, size: int) -> Shape:
        """A kernel of that size along each axis; a series has height 1."""
        return (size, size) if self.axes == 2 else (1, size)

    def _steps(self, stride: int) -> tuple[int, int]:
        return (stride, stride) if self.axes == 2 else (1, stride)

    def constant_operand(self, name: str, x: int, values: Shape, shape: Shape) -> int:
        """An operator with an INT32 constant: axes, or the rows and columns of a border."""
        constant = self._tensor("constant", values, "INT32", None, constant=True)
        return self.operator(name, (x, constant), shape, {})

    def head(self, x: int, classes: int) -> Model:
        """Mean over the map and the last, fully connected layer."""
        batch, *sizes, channels = self.shape(x)
        if self.axes == 1:
            x = self.constant_operand("RESHAPE", x, (3,), (batch, sizes[1], channels))
        if sizes:
            x = self.constant_operand("MEAN", x, (self.axes,), (batch, channels))
        return self.classifier(x, classes)

    def classifier(self, x: int, classes: int) -> Model:
        """The last, fully connected layer."""
        batch, channels = self.shape(x)
        weights, shape = (classes, channels), (batch, classes)
        return self.model(self.weighted("FULLY_CONNECTED", x, weights, classes, shape, {}))

    def model(self, output: int) -> Model:
        graph = Graph(
            "sketch", tuple(self.tensors), tuple(self.operators), (self.image,), (output,)
        )
        return Model(b"", "sketch", 3, (graph,), (), {})


def _moving(steps: tuple[int, int], padding: str, dilation: int) -> Options:
    """The options of a convolution, as the file names them."""
    moving = dict(zip(("stride_h", "stride_w"), steps, strict=True))
    apart = {"dilation_h_factor": 1, "dilation_w_factor": dilation}
    return {"padding": padding, **moving, **apart}


def sketch(config: NetworkConfig, input_shape: Shape, classes: int) -> Model:
    """The full-INT8 file that a network would become, drawn.

    Args:
        config: settings of one of the families FAMILIES, without times_fewer.
        input_shape: (h, w, c), (time, c) or (c,) of the samples.
        classes: number of classes.

    Raises:
        NetworkError: another family, or the network does not fit the samples.
    """
    config = config.resolved()
    if config.family not in FAMILIES:
        raise NetworkError(
            f"a network of the family {config.family!r} is not described by its settings: it "
            f"cannot be drawn; this can: {', '.join(FAMILIES)}"
        )
    return FAMILIES[config.family](config, input_shape, classes)


def _staged(config: NetworkConfig, input_shape: Shape, classes: int) -> Model:
    check_kind(config, input_shape)
    drawing = _Drawing(input_shape)
    x = drawing.as_map()
    stem = stem_kernel(config, input_shape)
    if stem is not None:
        kernel = (1, *stem) if len(stem) == 1 else stem
        x = drawing.convolution(x, config.widths[0], kernel, stem_stride(config))
    for number, steps in enumerate(stages(config), start=1):
        if number > 1 and config.family == "thin_deep":
            x = _halved(drawing, x)
        for step in steps:
            x = _step(drawing, x, step)
    return drawing.head(x, classes)


def _halved(drawing: _Drawing, x: int) -> int:
    """The pool between two stages; rows of a table have none."""
    batch, *sizes, channels = drawing.shape(x)
    if drawing.axes == 0:
        return x
    halves = [size if place < 2 - drawing.axes else size // 2 for place, size in enumerate(sizes)]
    if min(halves) < 1:
        raise NetworkError("more pools of 2 than the samples can be halved")
    return drawing.operator("MAX_POOL_2D", (x,), (batch, *halves, channels), VALID)


def _step(drawing: _Drawing, x: int, step: Step) -> int:
    if not step.pair:
        return _block(drawing, x, step, step.stride)
    shortcut = x
    if step.stride > 1 or drawing.shape(x)[-1] != step.channels:
        shortcut = drawing.convolution(x, step.channels, (1, 1), step.stride)
    x = _block(drawing, x, step, step.stride)
    x = _block(drawing, x, step, 1)
    return drawing.operator("ADD", (x, shortcut), drawing.shape(x), {})


def _block(drawing: _Drawing, x: int, step: Step, stride: int) -> int:
    kernel, apart = drawing.kernel(step.kernel), step.dilation
    if not step.separable:
        return drawing.convolution(x, step.channels, kernel, stride, dilation=apart)
    depthwise = drawing.depthwise(x, step.kernel, stride, apart)
    return drawing.convolution(depthwise, step.channels, (1, 1))


def _fitnet(config: NetworkConfig, input_shape: Shape, classes: int) -> Model:
    drawing = _Drawing(input_shape)
    x = drawing.image
    for layer in config.layers:
        x = _pooled(drawing, _maxout_layer(drawing, x, layer), layer)
    if config.fc_units:
        x = _connected(drawing, x, config.fc_units, config.fc_pieces)
    x = _connected(drawing, x, classes, 1)
    x = drawing.constant_operand("MEAN", x, (2,), (1, classes))
    return drawing.model(x)


def _maxout_layer(drawing: _Drawing, x: int, layer: MaxoutLayer) -> int:
    same = 2 * layer.padding == layer.kernel - 1
    batch, height, width, channels = drawing.shape(x)
    if layer.kernel > min(height, width) + 2 * layer.padding:
        raise NetworkError(f"a {layer.kernel}x{layer.kernel} kernel does not fit its map")
    if layer.padding and not same:
        grown = (batch, height + 2 * layer.padding, width + 2 * layer.padding, channels)
        x = drawing.constant_operand("PAD", x, (4, 2), grown)
    kernel = (layer.kernel, layer.kernel)
    return _maxout(drawing, x, layer.channels, kernel, layer.pieces, "SAME" if same else "VALID")


def _maxout(
    drawing: _Drawing, x: int, channels: int, kernel: tuple[int, int], pieces: int, padding: str
) -> int:
    best = drawing.convolution(x, channels, kernel, padding=padding)
    for _ in range(pieces - 1):
        part = drawing.convolution(x, channels, kernel, padding=padding)
        best = drawing.operator("MAXIMUM", (best, part), drawing.shape(part), {})
    return best


def _connected(drawing: _Drawing, x: int, units: int, pieces: int) -> int:
    _, height, width, _ = drawing.shape(x)
    return _maxout(drawing, x, units, (height, width), pieces, "VALID")


def _pooled(drawing: _Drawing, x: int, layer: MaxoutLayer) -> int:
    if not layer.pool:
        return x
    batch, height, width, channels = drawing.shape(x)
    for size in pool_chain((height, width), layer.pool, layer.pool_stride or layer.pool):
        x = drawing.operator("MAX_POOL_2D", (x,), (batch, *size, channels), VALID)
    return x


FAMILIES: dict[str, Callable[[NetworkConfig, Shape, int], Model]] = {
    "thin_deep": _staged,
    "resnet8": _staged,
    "ds_cnn": _staged,
    "tcn": _staged,
    "fitnet": _fitnet,
}


def payload_bytes(model: Model) -> int:
    """Bytes of a file that follow from shapes: constants, scales (float32), zero points (int64)."""
    constants = {
        tensor.buffer: 0 if tensor.data is None else tensor.data.size
        for graph in model.graphs
        for tensor in graph.tensors
    }
    pairs = sum(
        len(tensor.quantization.scales)
        for graph in model.graphs
        for tensor in graph.tensors
        if tensor.quantization
    )
    return sum(constants.values()) + 12 * pairs
