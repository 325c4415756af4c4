"""From a config to a network: the one place where families meet their builders."""

from collections.abc import Callable

import keras

from hintlite.errors import NetworkError
from hintlite.models.fitnet import build_fitnet
from hintlite.models.keras_file import load_keras_file
from hintlite.models.plan import PLANS
from hintlite.models.settings import NetworkConfig
from hintlite.models.staged import build_staged

Builder = Callable[[NetworkConfig, tuple[int, ...], int], keras.Model]

_BUILDERS: dict[str, Builder] = {
    **dict.fromkeys(PLANS, build_staged),
    "fitnet": build_fitnet,
    "keras_file": load_keras_file,
}


def build_network(config: NetworkConfig, input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """Build the network of a config.

    Args:
        config: family and shape, without times_fewer.
        input_shape: (h, w, c) of images, (time, c) of series, (c,) of the rows of a table.
        classes: number of classes, at least 2.

    Returns:
        Functional network with the outputs "logits" [batch, classes] and its taps
        [batch, h, w, c], [batch, time, c] or [batch, c].

    Raises:
        NetworkError: the shape or the number of classes cannot be, or the network does not fit
            them.
    """
    if len(input_shape) not in (1, 2, 3) or min(input_shape) < 1:
        raise NetworkError(
            "input_shape must be (height, width, channels), (time, channels) or (channels,), each "
            f"at least 1, got {input_shape}."
        )
    if classes < 2:
        raise NetworkError(f"a classifier needs at least 2 classes, got {classes}.")
    config = config.resolved()
    return _BUILDERS[config.family](config, input_shape, classes)
