"""The parts that teachers and students share, each a function from tensor to tensor."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from hintlite.models.axes import convolution, depthwise, spatial_axes

Tensor = Any

# Keras' own 0.99 needs hundreds of steps before inference sees the statistics of training; an
# epoch on a small data set has a dozen.
_BN_MOMENTUM = 0.9


@dataclass(frozen=True)
class Style:
    """What all convolutions of one network have in common.

    Attributes:
        activation: "relu" or "relu6".
        batch_norm: normalize after each convolution; the convolutions then have no biases.
        l2: weight of the squared norm of the kernels.
    """

    activation: str = "relu"
    batch_norm: bool = True
    l2: float = 0.0

    def regularizer(self) -> keras.Regularizer | None:
        """A fresh regularizer for one kernel, or None."""
        return keras.regularizers.L2(self.l2) if self.l2 else None


Block = Callable[..., Tensor]


def activate(x: Tensor, activation: str, name: str) -> Tensor:
    """ReLU or ReLU6 as a layer of its own, so that a tap can end on it."""
    return keras.layers.ReLU(max_value=6.0 if activation == "relu6" else None, name=name)(x)


def _finish(x: Tensor, style: Style, name: str, activated: bool) -> Tensor:
    """Batch normalization and activation, where wanted."""
    if style.batch_norm:
        x = keras.layers.BatchNormalization(momentum=_BN_MOMENTUM, name=f"{name}_bn")(x)
    return activate(x, style.activation, f"{name}_relu") if activated else x


def conv_bn_relu(
    x: Tensor,
    channels: int,
    style: Style,
    name: str,
    *,
    kernel: int | tuple[int, ...] = 3,
    stride: int = 1,
    dilation: int = 1,
    activated: bool = True,
) -> Tensor:
    """Convolution, batch normalization, activation; He-normal initialization.

    Args:
        x: feature map [batch, h, w, c] or [batch, time, c], or vectors [batch, c], for which the
            convolution is a dense layer.
        channels: output channels.
        style: activation, normalization and regularization of the network.
        name: name of the convolution; the layers after it get "_bn" and "_relu" behind it.
        kernel: size of the kernel along each axis, in pixels or time steps.
        stride: step along each axis, in pixels or time steps.
        dilation: distance of what the kernel reads, likewise.
        activated: whether the activation follows (it does not just before a sum).

    Returns:
        Feature map [batch, ceil(h / stride), ceil(w / stride), channels], or likewise.
    """
    x = convolution(
        spatial_axes(x),
        channels,
        kernel,
        strides=stride,
        padding="same",
        dilation_rate=dilation,
        use_bias=not style.batch_norm,
        kernel_initializer="he_normal",
        kernel_regularizer=style.regularizer(),
        name=name,
    )(x)
    return _finish(x, style, name, activated)


def separable(
    x: Tensor,
    channels: int,
    style: Style,
    name: str,
    *,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
    activated: bool = True,
) -> Tensor:
    """Depthwise 3x3, BN, activation, pointwise 1x1, BN, activation (MobileNet, arXiv 1704.04861).

    Args:
        x: feature map [batch, h, w, c] or [batch, time, c].
        channels: output channels.
        style: activation, normalization and regularization of the network.
        name: the two convolutions are called name + "_depthwise" and name + "_pointwise".
        kernel: size of the depthwise kernel along each axis, in pixels or time steps.
        stride: step of the depthwise convolution, likewise.
        dilation: distance of what it reads, likewise.
        activated: whether the last activation follows.

    Returns:
        Feature map [batch, ceil(h / stride), ceil(w / stride), channels], or likewise.
    """
    inner = f"{name}_depthwise"
    # Keras takes 9 c (of a series 3 c) for the fan-in of a depthwise kernel, though each filter
    # sees one channel.
    he_normal = keras.initializers.VarianceScaling(2.0 * x.shape[-1])
    x = depthwise(
        spatial_axes(x),
        kernel,
        strides=stride,
        padding="same",
        dilation_rate=dilation,
        use_bias=not style.batch_norm,
        depthwise_initializer=he_normal,
        depthwise_regularizer=style.regularizer(),
        name=inner,
    )(x)
    x = _finish(x, style, inner, activated=True)
    return conv_bn_relu(x, channels, style, f"{name}_pointwise", kernel=1, activated=activated)


def residual_pair(
    x: Tensor,
    channels: int,
    style: Style,
    name: str,
    *,
    block: Block = conv_bn_relu,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
) -> Tensor:
    """Two blocks with a shortcut around them (ResNet, arXiv 1512.03385, figure 2).

    The shortcut is the identity, or a 1x1 convolution where the shape changes.

    Args:
        x: feature map [batch, h, w, c] or [batch, time, c], or vectors [batch, c].
        channels: output channels.
        style: activation, normalization and regularization of the network.
        name: the blocks are called name + "a" and name + "b".
        block: conv_bn_relu or separable.
        kernel: size of the blocks' kernels along each axis, in pixels or time steps.
        stride: step of the first block, likewise.
        dilation: distance of what the kernels read, likewise.

    Returns:
        Feature map [batch, ceil(h / stride), ceil(w / stride), channels] or likewise, activated.
    """
    shortcut = x
    if stride > 1 or x.shape[-1] != channels:
        shortcut = convolution(
            spatial_axes(x),
            channels,
            1,
            strides=stride,
            use_bias=not style.batch_norm,
            kernel_initializer="he_normal",
            kernel_regularizer=style.regularizer(),
            name=f"{name}_shortcut",
        )(x)
    reading: dict[str, int] = {"kernel": kernel, "dilation": dilation}
    x = block(x, channels, style, f"{name}a", stride=stride, **reading)
    x = block(x, channels, style, f"{name}b", activated=False, **reading)
    x = keras.layers.Add(name=f"{name}_add")([x, shortcut])
    return activate(x, style.activation, f"{name}_relu")


def maxout(
    x: Tensor,
    channels: int,
    kernel: int | tuple[int, ...],
    pieces: int,
    *,
    name: str,
    padding: int = 0,
    use_bias: bool = True,
    l2: float = 0.0,
) -> Tensor:
    """Maxout (arXiv 1302.4389) as the Maximum of `pieces` convolutions: it converts to int8.

    Args:
        x: feature map [batch, h, w, c] or [batch, time, c], or vectors [batch, c].
        channels: output channels.
        kernel: size of the kernels along each axis, in pixels or time steps.
        pieces: convolutions that the maximum is taken of; 1 gives the convolution itself.
        name: name of the layer whose output is the result.
        padding: zeros on each side, in pixels; of pictures alone.
        use_bias: whether the convolutions have biases.
        l2: weight of the squared norm of the kernels.

    Returns:
        Feature map [batch, h + 2 padding - kh + 1, w + 2 padding - kw + 1, channels], or likewise.
    """
    sides = (kernel,) if isinstance(kernel, int) else kernel
    same = all(2 * padding == side - 1 for side in sides)
    if padding and not same:
        x = keras.layers.ZeroPadding2D(padding, name=f"{name}_pad")(x)

    def piece(piece_name: str) -> keras.layers.Layer:
        return convolution(
            spatial_axes(x),
            channels,
            kernel,
            padding="same" if same else "valid",
            use_bias=use_bias,
            kernel_initializer="he_normal",
            kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
            name=piece_name,
        )

    if pieces == 1:
        return piece(name)(x)
    parts = [piece(f"{name}_piece{i + 1}")(x) for i in range(pieces)]
    return keras.layers.Maximum(name=name)(parts)
