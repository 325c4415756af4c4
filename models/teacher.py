"""The teacher: any network of a config."""

import keras

from hintlite.errors import NetworkError
from hintlite.models.network import build_network
from hintlite.models.settings import NetworkConfig


def build_teacher(config: NetworkConfig, input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """Build the teacher, or load the user's own.

    Args:
        config: family and shape.
        input_shape: (h, w, c) of images, (time, c) of series, (c,) of the rows of a table.
        classes: number of classes.

    Returns:
        Functional network with the outputs "logits" [batch, classes] (no softmax) and its taps
        "stage1", ... [batch, h, w, c], [batch, time, c] or [batch, c].

    Raises:
        NetworkError: the network does not fit the data, or has times_fewer.
    """
    if config.times_fewer is not None:
        raise NetworkError(
            f"times_fewer {config.times_fewer} is a student's setting: a teacher has no reference "
            "to be smaller than; give the teacher its widths."
        )
    return build_network(config, input_shape, classes)
