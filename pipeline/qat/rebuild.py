"""A blueprint as a `tf_keras` model. Runs in the quantizer's own process only."""

from __future__ import annotations

from typing import Any

import tf_keras

from hintlite.pipeline.qat.blueprint import Blueprint, CarryError, Step
from hintlite.pipeline.qat.hard_swish import HardSwish

OWN = {"HardSwish": HardSwish}


def rebuild(blueprint: Blueprint) -> tf_keras.Model:
    """The same network under Keras 2: same layers, same names, same weights.

    Raises:
        CarryError: a layer takes other weights than the blueprint holds.
    """
    image = tf_keras.Input(blueprint.input_shape, name=blueprint.input)
    tensors = {blueprint.input: image}
    layers: dict[str, Any] = {}
    for step in blueprint.steps:
        layer = layers[step.name] = _layer(step)
        inputs = [tensors[name] for name in step.inputs]
        tensors[step.name] = layer(inputs[0] if len(inputs) == 1 else inputs)
    model = tf_keras.Model(image, tensors[blueprint.output], name="network")
    for step in blueprint.steps:
        _fill(layers[step.name], step)
    return model


def _layer(step: Step) -> Any:
    maker = OWN.get(step.kind) or getattr(tf_keras.layers, step.kind)
    return maker(name=step.name, **step.settings)


def _fill(layer: Any, step: Step) -> None:
    shapes = [tuple(weight.shape) for weight in layer.get_weights()]
    given = [weight.shape for weight in step.weights]
    if shapes != given:
        raise CarryError(
            f"layer {step.name!r} ({step.kind}) has weights of shapes {given} in Keras 3, but "
            f"takes {shapes} in tf_keras: it cannot be carried over"
        )
    layer.set_weights(list(step.weights))
