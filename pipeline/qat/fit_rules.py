"""Rewrites a blueprint into an equal one that the quantizer takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.qat.blueprint import Array, Blueprint, CarryError, Step
from pipeline.qat.read import affine

CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D")


def suited(blueprint: Blueprint) -> Blueprint:
    """The same function without batch normalization in places that the quantizer refuses.

    tfmot takes batch normalization right behind a convolution or a Dense that nothing else reads.
    Elsewhere `gamma (x - mean) / sqrt(var + eps) + beta` (Ioffe & Szegedy 2015) becomes the 1x1
    depthwise convolution with the same slope and offset, whose weights stay trainable.
    """
    steps = [_without_lone_norm(blueprint, step) for step in blueprint.steps]
    return replace(blueprint, steps=tuple(steps))


def _without_lone_norm(blueprint: Blueprint, step: Step) -> Step:
    if step.kind != "BatchNormalization":
        return step
    before = blueprint.maker(step.inputs[0])
    alone = len(blueprint.consumers(step.inputs[0])) == 1 and step.inputs[0] != blueprint.output
    if before is not None and before.kind in (*CONVOLUTIONS, "Dense") and alone:
        return step
    if before is not None and before.kind in ("Dense", "GlobalAveragePooling2D", "Flatten"):
        raise CarryError(
            f"layer {step.name!r} (BatchNormalization) follows {before.name!r} ({before.kind}) on "
            "vectors, where no convolution can take its place: move it behind a convolution, or "
            "right behind a Dense that nothing else reads"
        )
    return affine(step.name, step.inputs[0], *slope_and_offset(step))


def slope_and_offset(step: Step) -> tuple[Array, Array]:
    """What batch normalization does in inference: x -> slope * x + offset, [channels] each."""
    weights = list(step.weights)
    gamma = weights.pop(0) if step.settings.get("scale", True) else None
    beta = weights.pop(0) if step.settings.get("center", True) else None
    mean, variance = weights
    slope = 1.0 / np.sqrt(variance + step.settings["epsilon"])
    slope = slope if gamma is None else slope * gamma
    offset = -mean * slope if beta is None else beta - mean * slope
    return slope.astype(np.float32), offset.astype(np.float32)
