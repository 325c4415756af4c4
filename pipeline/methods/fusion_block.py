"""The attention-based fusion block of knowledge review."""

from __future__ import annotations

import keras
from keras import layers

from hintlite.models.axes import convolution, spatial_axes
from hintlite.models.resize import nearest_to
from hintlite.pipeline.methods.base import Tensor
from hintlite.pipeline.methods.pairing import MapShape
from hintlite.pipeline.training.batch_norm import with_fast_batch_norm

MAX_WIDTH = 512  # channels between the stages, as in the authors' code


def build_fusion_block(
    student: MapShape, teacher: MapShape, width: int, passed_on: MapShape | None, name: str
) -> keras.Model:
    """ABF: joins a stage with what deeper stages pass on (Chen et al. 2021, section 3.3, fig. 3).

    The stage goes through a 1x1 convolution and batch normalization to `width` channels; what is
    passed on is repeated to its size; both are weighed, place by place, by two sigmoid maps that a
    1x1 convolution computes from them, and added. The sum, repeated to the teacher's size, is
    passed on to the next block; a 3x3 convolution and batch normalization predict the teacher's
    map from it. As in the authors' code the convolutions before a normalization have no bias.

    Args:
        student: (h, w, c), (time, c) or (c,) of the student's stage.
        teacher: the same of the map to predict.
        width: channels of what is passed on.
        passed_on: the same, of `width` channels, from the next deeper block; None for the deepest.
        name: of the block.

    Returns:
        Model from `[stage]` or `[stage, passed on]` to (prediction `[batch, *teacher]`, fused
        of the teacher's size and `width` channels).
    """
    inputs = [layers.Input(student, name=f"{name}_stage")]
    x = _convolution(inputs[0], width, 1, f"{name}_in")
    if passed_on is not None:
        inputs.append(layers.Input(passed_on, name=f"{name}_passed_on"))
        x = _fused(x, nearest_to(inputs[1], student[:-1]), name)
    fused = nearest_to(x, teacher[:-1])
    prediction = _convolution(fused, teacher[-1], 3, f"{name}_out")
    return with_fast_batch_norm(keras.Model(inputs, [prediction, fused], name=name))


def _fused(stage: Tensor, deeper: Tensor, name: str) -> Tensor:
    both = layers.Concatenate(name=f"{name}_both")([stage, deeper])
    own = {"activation": "sigmoid", "name": f"{name}_attention"}
    weights = convolution(spatial_axes(both), 2, 1, **own)(both)
    return stage * weights[..., :1] + deeper * weights[..., 1:]


def _convolution(x: Tensor, channels: int, kernel: int, name: str) -> Tensor:
    x = convolution(
        spatial_axes(x),
        channels,
        kernel,
        padding="same",
        use_bias=False,
        kernel_initializer="lecun_uniform",
        name=name,
    )(x)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)
