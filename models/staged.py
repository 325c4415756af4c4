"""Networks made of stages: thin_deep, the two of MLPerf Tiny, and two for series."""

from typing import Any

import keras

from hintlite.errors import NetworkError
from hintlite.models.axes import max_pool, mean_over_places
from hintlite.models.blocks import Style, conv_bn_relu, residual_pair, separable
from hintlite.models.plan import Step, stages, stem_kernel, stem_stride
from hintlite.models.settings import NetworkConfig, check_kind

Tensor = Any
Shape = tuple[int, ...]


def build_staged(config: NetworkConfig, input_shape: Shape, classes: int) -> keras.Model:
    """Build a network of one of the families PLANS of plan.py.

    Pictures, series and rows of tables are taken alike: the convolutions of a series have one axis
    (Conv1D), those of a table none, which makes them dense layers without pools between.

    *thin_deep*: stages of 3x3 convolutions with 2x2 max pools between them. The very first
    convolution is a plain one even with block="separable": a depthwise filter alone would see one
    colour. With residual=True a shortcut goes around each pair of convolutions.

    *resnet8*: the image classification network of MLPerf Tiny (arXiv 2106.07597): a 3x3
    convolution, then residual pairs, stride 2 at each later stage. At (32, 32, 3) and 10 classes
    it has 78,330 parameters: the reference's 78,666 less the 336 biases of its convolutions, which
    batch normalization makes idle.

    *ds_cnn*: its keyword spotting network (DS-CNN, arXiv 1711.07128): a strided convolution, then
    depthwise-separable blocks, all on maps of one size. So that a hint can lie in the middle, the
    taps end its *groups* of blocks (`depths`), not spatial stages, of which there is one only. At
    (49, 10, 1) and 12 classes it has 24,332 parameters: the reference's 24,908 less 576 idle
    biases.

    *tcn*: a temporal convolutional network (arXiv 1803.01271) that sees both directions: stages
    of convolutions over time, each later stage at a `stage_stride` of the one before, with
    dilations that grow within a stage. Its residual pairs have batch normalization where the paper
    has weight normalization, and no dropout.

    *conv_lstm*: the same stages, then an LSTM, or an unrolled GRU, of as many units as the last
    stage has channels, whose last state takes the place of the mean.

    All end in the mean over the map, dropout and a Dense. The tap "stage<i>" is the last
    activation of stage i, before the pool that follows it.

    Args:
        config: a resolved config.
        input_shape: (h, w, c) of images, (time, c) of series, (c,) of the rows of a table.
        classes: number of classes.

    Returns:
        Network with the outputs "logits", "stage1", ...

    Raises:
        NetworkError: the samples are too small for the pools, or of another kind than the family.
    """
    check_kind(config, input_shape)
    check_pools(config, input_shape)
    style = Style(config.activation, config.batch_norm, config.l2)
    x = inputs = keras.Input(input_shape, name="image")
    stem = stem_kernel(config, input_shape)
    if stem is not None:
        stride = stem_stride(config)
        x = conv_bn_relu(x, config.widths[0], style, "stem", kernel=stem, stride=stride)
    taps: dict[str, Tensor] = {}
    for number, steps in enumerate(stages(config), start=1):
        if number > 1 and config.family == "thin_deep":
            x = max_pool(x, 2, name=f"stage{number}_pool")
        for step in steps:
            x = _block(x, step, style)
        taps[f"stage{number}"] = x
    logits = _head(x, config, classes, style)
    return keras.Model(inputs, {"logits": logits, **taps}, name=config.family)


def check_pools(config: NetworkConfig, input_shape: Shape) -> None:
    """Refuse a thin_deep network with more pools of 2 than the samples can be halved.

    Raises:
        NetworkError: a map would have no pixel left; the sentence lists the sizes.
    """
    if config.family != "thin_deep":
        return  # strides with "same" padding stop at one pixel
    first = [-(-size // config.first_stride) for size in input_shape[:-1]]
    sizes = [[size >> i for size in first] for i in range(len(config.widths))]
    if min(sizes[-1], default=1) < 1:
        steps = " -> ".join("x".join(map(str, each)) for each in sizes)
        pool = "x".join("2" for _ in first)
        raise NetworkError(
            f"{len(sizes)} stages need {len(sizes) - 1} pools of {pool}, but the samples shrink as "
            f"{steps}; use at most {min(first).bit_length()} stages (widths and depths), or larger "
            "samples."
        )


def _block(x: Tensor, step: Step, style: Style) -> Tensor:
    block = separable if step.separable else conv_bn_relu
    moving: dict[str, Any] = {
        "kernel": step.kernel,
        "stride": step.stride,
        "dilation": step.dilation,
    }
    if step.pair:
        return residual_pair(x, step.channels, style, step.name, block=block, **moving)
    return block(x, step.channels, style, step.name, **moving)


def _head(x: Tensor, config: NetworkConfig, classes: int, style: Style) -> Tensor:
    """Mean or recurrent layer, dropout, Dense: [batch, ..., c] -> [batch, classes]."""
    if config.family == "conv_lstm":
        x = _recurrent(x, config, style)
    else:
        x = mean_over_places(x, name="mean")
    if config.dropout:
        x = keras.layers.Dropout(config.dropout, name="dropout")(x)
    return keras.layers.Dense(classes, kernel_regularizer=style.regularizer(), name="logits")(x)


def _recurrent(x: Tensor, config: NetworkConfig, style: Style) -> Tensor:
    """The last state of a recurrent layer: [batch, time, c] -> [batch, c].

    TFLite has one operator for an LSTM and none for a GRU, which is written out step by step.
    """
    own = {"kernel_regularizer": style.regularizer(), "name": config.recurrent}
    if config.recurrent == "gru":
        return keras.layers.GRU(x.shape[-1], unroll=True, **own)(x)
    return keras.layers.LSTM(x.shape[-1], **own)(x)
