"""A user's own model from a .keras file, as a network."""

from pathlib import Path

import keras

from hintlite.errors import NetworkError
from hintlite.models.bind import bound
from hintlite.models.called import called
from hintlite.models.graph import is_functional
from hintlite.models.keras_archive import load_failure
from hintlite.models.keras_formats import other_format
from hintlite.models.settings import NetworkConfig
from hintlite.models.taps import with_taps


def load_keras_file(
    config: NetworkConfig, input_shape: tuple[int, ...], classes: int
) -> keras.Model:
    """Load a .keras file (in safe mode: no code in it is run) and tap it.

    Args:
        config: a config of the family "keras_file".
        input_shape: (h, w, c) of the images, in pixels and channels.
        classes: number of classes.

    Returns:
        Network with the outputs "logits" and the config's taps.

    Raises:
        FileNotFoundError: there is no such file.
        NetworkError: it cannot be loaded, or does not fit the data.
    """
    model = read_keras_file(str(config.path))
    if is_functional(model):
        network = with_taps(bound(model, input_shape), config.taps)
    elif config.taps:
        raise NetworkError(
            f"{config.path} holds {type(model).__name__}, a model without a graph, so the layers "
            f"of its taps {', '.join(config.taps.values())} cannot be found: take it with methods "
            "that read no hints, such as kd, or build it as keras.Model(inputs, outputs)."
        )
    else:
        network = called(model, input_shape, str(config.path))
    shape, units = tuple(network.inputs[0].shape[1:]), network.output["logits"].shape[-1]
    if shape != tuple(input_shape):
        raise NetworkError(
            f"the model in {config.path} takes images of shape {shape}, but the data has "
            f"{tuple(input_shape)}; resize the data, or train the model on this shape."
        )
    if units != classes:
        raise NetworkError(
            f"the model in {config.path} tells {units} classes apart, but the data has {classes}; "
            "check that it was trained on these classes."
        )
    return network


def read_keras_file(path: str) -> keras.Model:
    """Load a .keras file in safe mode: no code in it is run.

    Args:
        path: of the file.

    Raises:
        FileNotFoundError: there is no such file.
        NetworkError: it is in another format, or cannot be loaded; the text says what to do.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no file {path}; expected a model saved as .keras.")
    other = other_format(Path(path))
    if other is not None:
        raise NetworkError(other)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever the file's layers raise
        raise NetworkError(load_failure(Path(path), error)) from error
