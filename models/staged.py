"""Networks made of stages: thin_deep, and the two of MLPerf Tiny, resnet8 and ds_cnn."""

from typing import Any

import keras

from hintlite.errors import NetworkError
from hintlite.models.blocks import Style, conv_bn_relu, residual_pair, separable
from hintlite.models.plan import Step, stages, stem_kernel, stem_stride
from hintlite.models.settings import NetworkConfig

Tensor = Any
Shape = tuple[int, int, int]


def build_staged(config: NetworkConfig, input_shape: Shape, classes: int) -> keras.Model:
    """Build a network of the families "thin_deep", "resnet8" or "ds_cnn".

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

    All end in the mean over the map, dropout and a Dense. The tap "stage<i>" is the last
    activation of stage i, before the pool that follows it.

    Args:
        config: a resolved config.
        input_shape: (h, w, c) of the images, in pixels and channels.
        classes: number of classes.

    Returns:
        Network with the outputs "logits", "stage1", ...

    Raises:
        NetworkError: the images are too small for the pools.
    """
    check_pools(config, input_shape)
    style = Style(config.activation, config.batch_norm, config.l2)
    x = inputs = keras.Input(input_shape, name="image")
    stem = stem_kernel(config, input_shape)
    if stem:
        stride = stem_stride(config)
        x = conv_bn_relu(x, config.widths[0], style, "stem", kernel=stem, stride=stride)
    taps: dict[str, Tensor] = {}
    for number, steps in enumerate(stages(config), start=1):
        if number > 1 and config.family == "thin_deep":
            x = keras.layers.MaxPooling2D(2, name=f"stage{number}_pool")(x)
        for step in steps:
            x = _block(x, step, style)
        taps[f"stage{number}"] = x
    logits = _head(x, config, classes, style)
    return keras.Model(inputs, {"logits": logits, **taps}, name=config.family)


def check_pools(config: NetworkConfig, input_shape: Shape) -> None:
    """Refuse a thin_deep network with more 2x2 pools than the image can be halved.

    Raises:
        NetworkError: a map would have no pixel left; the sentence lists the sizes.
    """
    if config.family != "thin_deep":
        return  # strides with "same" padding stop at one pixel
    height, width = (-(-size // config.first_stride) for size in input_shape[:2])
    sizes = [(height >> i, width >> i) for i in range(len(config.widths))]
    if min(sizes[-1]) < 1:
        steps = " -> ".join(f"{height}x{width}" for height, width in sizes)
        most = min(height, width).bit_length()
        raise NetworkError(
            f"{len(sizes)} stages need {len(sizes) - 1} pools of 2x2, but the images shrink as "
            f"{steps}; use at most {most} stages (widths and depths), or larger images."
        )


def _block(x: Tensor, step: Step, style: Style) -> Tensor:
    block = separable if step.separable else conv_bn_relu
    if step.pair:
        return residual_pair(x, step.channels, style, step.name, block=block, stride=step.stride)
    return block(x, step.channels, style, step.name, stride=step.stride)


def _head(x: Tensor, config: NetworkConfig, classes: int, style: Style) -> Tensor:
    """Mean over the map, dropout, Dense: [batch, h, w, c] -> [batch, classes]."""
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    if config.dropout:
        x = keras.layers.Dropout(config.dropout, name="dropout")(x)
    return keras.layers.Dense(classes, kernel_regularizer=style.regularizer(), name="logits")(x)
