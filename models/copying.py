"""The weights of one network in another of the same layers."""

import keras


def copy_weights(source: keras.Model, target: keras.Model) -> keras.Model:
    """Gives a copy of a network the network's weights, and what its layers derive from them.

    Keras' Normalization computes with a mean and a variance that it takes from its weights when
    they are adapted or loaded from a file, but not when they are set.

    Args:
        source: the network.
        target: a model of the same layers, as keras.models.clone_model gives; it is changed.

    Returns:
        The target.
    """
    target.set_weights(source.get_weights())
    for layer in target._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
    return target
