"""A network of its own range of values among samples that are fed to others in another."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from hintlite.models.graph import named_outputs


def refed(network: keras.Model, scale: Sequence[float], offset: Sequence[float]) -> keras.Model:
    """The network behind a layer that brings each value x to `scale * x + offset`.

    Args:
        network: with a dict of outputs.
        scale: one number a channel, above 0.
        offset: likewise.

    Returns:
        A network with the same outputs over the same layers.
    """
    sample = keras.Input(tuple(network.inputs[0].shape[1:]))
    rescaling = keras.layers.Rescaling(list(scale), list(offset), name="own_range")
    outputs = network(rescaling(sample))
    return keras.Model(sample, {name: outputs[name] for name in named_outputs(network)})
