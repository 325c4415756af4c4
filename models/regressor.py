"""The regressor: maps the student's guided features to the teacher's hint features."""

from collections.abc import Sequence
from typing import Any, get_args

import keras

from hintlite.errors import NetworkError, SettingsError
from hintlite.models.axes import convolution, spatial_axes
from hintlite.models.blocks import activate, maxout
from hintlite.models.resize import average_to, common_size
from hintlite.models.settings import RegressorKind

Tensor = Any
Shape = tuple[int, ...]

KINDS: tuple[RegressorKind, ...] = get_args(RegressorKind)
ACTIVATIONS = ("linear", "relu", "relu6", "maxout")


def build_regressor(
    kind: str,
    guided_shape: Sequence[int | None],
    hint_shape: Sequence[int | None],
    activation: str,
) -> keras.Model:
    """Build the regressor r of `L_HT = 1/2 ||u_h(x) - r(v_g(x))||^2` (arXiv 1412.6550, eq. 3).

    Args:
        kind: "paper": a *valid* convolution with the kernel k_i = N_g,i - N_h,i + 1 along each
            side, which is 1x1 where the sizes agree (section 2.2).
            "pooled": a 1x1 convolution of the guided map, average-pooled to the hint's size; where
            the hint is the larger map, bring it to that size with `average_to` of resize.py.
            "two_layer": the same with 1x1 convolution, batch normalization, ReLU, 1x1 convolution.
            Over series the convolutions have one axis, over the rows of a table none (they are
            dense layers).
        guided_shape: shape of the guided features, (h, w, c), (time, c) or (c,).
        hint_shape: shape of the hint features, likewise.
        activation: non-linearity at the end, the hint's own: "linear", "relu", "relu6", "maxout"
            (the maximum of two convolutions). `hintlite.models.taps.tap_activation` finds it out.

    Returns:
        Functional model from [batch, *guided_shape] to [batch, *hint_shape]; with the two pooling
        kinds its size along each axis is the smaller one of both.

    Raises:
        SettingsError: unknown kind or activation.
        NetworkError: a hint that is larger than the guided map, or of another number of axes.
    """
    guided, hint = _sizes(guided_shape, "guided"), _sizes(hint_shape, "hint")
    if len(guided) != len(hint):
        raise NetworkError(
            f"the guided features have the shape {guided}, the hint {hint}: one is a map of a "
            "picture, a series or a vector and the other is not; compare layers of one kind"
        )
    for what, given, known in (("kind", kind, KINDS), ("activation", activation, ACTIVATIONS)):
        if given not in known:
            raise SettingsError(
                f"unknown regressor {what} {given!r}; known are {', '.join(known)}."
            )
    inputs = keras.Input(guided, name="guided")
    if kind == "paper":
        outputs = _convolution(inputs, hint[-1], _paper_kernel(guided, hint), activation)
    else:
        x = average_to(inputs, common_size(guided, hint))
        if kind == "two_layer":
            x = _hidden(x, hint[-1])
        outputs = _convolution(x, hint[-1], 1, activation)
    return keras.Model(inputs, outputs, name=f"{kind}_regressor")


def _sizes(shape: Sequence[int | None], what: str) -> Shape:
    sizes = tuple(size for size in shape if isinstance(size, int) and size > 0)
    if not 1 <= len(shape) <= 3 or len(sizes) != len(shape):
        raise NetworkError(
            f"the {what} features have the shape {tuple(shape)}; expected a feature map of fixed "
            "size, (height, width, channels), (time, channels) or (channels,)."
        )
    return sizes


def _paper_kernel(guided: Shape, hint: Shape) -> Shape:
    kernel = tuple(here - there + 1 for here, there in zip(guided[:-1], hint[:-1], strict=True))
    if min(kernel, default=1) < 1:
        raise NetworkError(
            f"the hint {hint} is larger than the guided map {guided} (the channels come last), so "
            "no valid convolution leads to it; choose the regressor kind 'pooled', a later hint, "
            "or an earlier guided tap."
        )
    return kernel


def _hidden(x: Tensor, channels: int) -> Tensor:
    layer = convolution(
        spatial_axes(x), channels, 1, use_bias=False, kernel_initializer="he_normal", name="hidden"
    )
    x = layer(x)
    x = keras.layers.BatchNormalization(name="hidden_bn")(x)
    return activate(x, "relu", "hidden_relu")


def _convolution(x: Tensor, channels: int, kernel: int | Shape, activation: str) -> Tensor:
    pieces = 2 if activation == "maxout" else 1
    x = maxout(x, channels, kernel, pieces, name="regressor")
    return activate(x, activation, "activation") if activation in ("relu", "relu6") else x
