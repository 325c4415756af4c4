"""Rewrites a blueprint into an equal one that the quantizer takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hintlite.pipeline.qat.blueprint import Array, Blueprint, CarryError, Step
from hintlite.pipeline.qat.read_affine import affine, is_line

CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D")


def suited(blueprint: Blueprint) -> Blueprint:
    """The same function without what the quantizer or the converter refuses.

    tfmot takes batch normalization right behind a convolution or a Dense that nothing else reads.
    Elsewhere `gamma (x - mean) / sqrt(var + eps) + beta` (Ioffe & Szegedy 2015) becomes the 1x1
    depthwise convolution with the same slope and offset, whose weights stay trainable.

    Two lines a channel in a row, such as `x / 127.5 - 1`, become one: each would be a convolution
    over the whole image, and round.

    TFLite's average pool has one scale for what it reads and writes. Where a concatenation reads
    it, tfmot would give its output the scale of the concatenation: a 1x1 depthwise convolution of
    ones stands between them.
    """
    steps = [_without_lone_norm(blueprint, step) for step in blueprint.steps]
    return _with_pools_apart(_with_lines_joined(replace(blueprint, steps=tuple(steps))))


def _with_lines_joined(blueprint: Blueprint) -> Blueprint:
    """Each line that alone reads another one takes it over."""
    steps: dict[str, Step] = {}
    for step in blueprint.steps:
        before = steps.get(step.inputs[0])
        if before is not None and is_line(step) and is_line(before):
            alone = len(blueprint.consumers(before.name)) == 1 and before.name != blueprint.output
            if alone:
                del steps[before.name]
                steps[step.name] = _joined(before, step)
                continue
        steps[step.name] = step
    return replace(blueprint, steps=tuple(steps.values()))


def _joined(first: Step, second: Step) -> Step:
    """`(x * s1 + o1) * s2 + o2` as one line."""
    (slope1, offset1), (slope2, offset2) = (
        (step.weights[0].ravel().astype(np.float64), step.weights[1].astype(np.float64))
        for step in (first, second)
    )
    return affine(second.name, first.inputs[0], slope1 * slope2, offset1 * slope2 + offset2)


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


def _with_pools_apart(blueprint: Blueprint) -> Blueprint:
    steps: list[Step] = []
    for step in blueprint.steps:
        inputs = list(step.inputs)
        for i, name in enumerate(inputs if step.kind == "Concatenate" else ()):
            maker = blueprint.maker(name)
            if maker is not None and maker.kind == "AveragePooling2D":
                ones = np.ones(channels(blueprint, name))
                inputs[i] = f"{step.name}_input{i}"
                steps.append(affine(inputs[i], name, ones, 0 * ones))
        steps.append(replace(step, inputs=tuple(inputs)))
    return replace(blueprint, steps=tuple(steps))


def channels(blueprint: Blueprint, name: str) -> int:
    """Channels of a tensor between layers of maps."""
    step = blueprint.maker(name)
    if step is None:
        return blueprint.input_shape[-1]
    if step.kind == "DepthwiseConv2D":
        return int(np.prod(step.weights[0].shape[2:]))
    if step.kind in ("Conv2D", "Dense"):
        return int(step.weights[0].shape[-1])
    each = [channels(blueprint, before) for before in step.inputs]
    return sum(each) if step.kind == "Concatenate" else max(each)


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
