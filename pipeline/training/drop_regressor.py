"""From a distilled network to the student alone, and the proof that nothing else is left in it."""

from __future__ import annotations

from collections.abc import Iterable

import keras

from hintlite.errors import HintliteError
from hintlite.models.copying import copy_weights
from hintlite.models.taps import logits_only


class LeftoverError(HintliteError):
    """Something of the teacher or of the method is still in the student."""


def drop_regressor(student: keras.Model, extras: Iterable[keras.layers.Layer]) -> keras.Model:
    """The student that is deployed: its input, its logits, nothing else.

    Args:
        student: trained network with taps, outputs "logits" `[batch, classes]` and feature maps.
        extras: every layer that the method trained beside it.

    Returns:
        `keras.Model(inputs, outputs["logits"])`, sharing the student's weights.

    Raises:
        LeftoverError: an extra layer, or a variable of one, is reachable from the result.
    """
    alone = logits_only(student)
    extras = list(extras)
    strangers = {id(v): extra.name for extra in extras for v in extra.variables}
    for variable in alone.variables:
        if id(variable) in strangers:
            raise LeftoverError(
                f"variable {variable.path} of {strangers[id(variable)]!r} is still in the student"
            )
    names = {id(layer) for extra in extras for layer in _layers(extra)}
    for layer in _layers(alone):
        if id(layer) in names:
            raise LeftoverError(f"layer {layer.name!r} of the method is still in the student")
    return alone


def in_float32(network: keras.Model) -> keras.Model:
    """The same function computed in float32, for a network that was trained in less.

    Args:
        network: functional model, perhaps under a mixed-precision policy; its variables are
            float32 already.

    Returns:
        The network itself if nothing has to be changed, else a copy with the same weights.
    """
    if all(layer.dtype_policy.name == "float32" for layer in _layers(network)):
        return network
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        copy = keras.models.clone_model(network, clone_function=_float32_layer)
    finally:
        keras.config.set_dtype_policy(before)
    return copy_weights(network, copy)


def _float32_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    config = layer.get_config()
    config["dtype"] = "float32"
    return type(layer).from_config(config)


def _layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    return list(layer._flatten_layers(include_self=True))
