"""The attention-based fusion block of knowledge review."""

from __future__ import annotations

import keras
from keras import layers

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
        student: (h, w, c) of the student's stage.
        teacher: (h, w, c) of the map to predict.
        width: channels of what is passed on.
        passed_on: (h, w, width) from the next deeper block; None for the deepest.
        name: of the block.

    Returns:
        Model from `[stage]` or `[stage, passed on]` to (prediction `[batch, *teacher]`, fused
        `[batch, h, w, width]` of the teacher's size).
    """
    inputs = [layers.Input(student, name=f"{name}_stage")]
    x = _convolution(inputs[0], width, 1, f"{name}_in")
    if passed_on is not None:
        inputs.append(layers.Input(passed_on, name=f"{name}_passed_on"))
        x = _fused(x, nearest_to(inputs[1], student[:2]), name)
    fused = nearest_to(x, teacher[:2])
    prediction = _convolution(fused, teacher[2], 3, f"{name}_out")
    return with_fast_batch_norm(keras.Model(inputs, [prediction, fused], name=name))


def _fused(stage: Tensor, deeper: Tensor, name: str) -> Tensor:
    both = layers.Concatenate(name=f"{name}_both")([stage, deeper])
    weights = layers.Conv2D(2, 1, activation="sigmoid", name=f"{name}_attention")(both)
    return stage * weights[..., :1] + deeper * weights[..., 1:]


def _convolution(x: Tensor, channels: int, kernel: int, name: str) -> Tensor:
    x = layers.Conv2D(
        channels,
        kernel,
        padding="same",
        use_bias=False,
        kernel_initializer="lecun_uniform",
        name=name,
    )(x)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)
