"""FitNets (Romero et al., arXiv 1412.6550): maxout convolutions described as data."""

from typing import Any

import keras

from hintlite.errors import NetworkError
from hintlite.models.blocks import maxout
from hintlite.models.pooling import partial_max_pool
from hintlite.models.settings import MaxoutLayer, NetworkConfig

Tensor = Any


def build_fitnet(config: NetworkConfig, input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """Build a FitNet or its maxout teacher.

    Layer i ends in a Keras layer called "layer<i>", its pool included, as the paper counts: its
    hint "layer 2 -> layer 6" is the layer paths "layer2" and "layer6". The taps "stage1", ...
    end the spatial stages *before* their pools, as in every other family; the maximum before the
    pool of layer i is the layer "layer<i>_maxout".

    The fully connected layers are convolutions whose kernel covers the whole map, so that no
    Flatten is needed: the weights are the same, and the converted model has no shape arithmetic.

    Args:
        config: a resolved config of the family "fitnet".
        input_shape: (h, w, c) of the images, in pixels and channels.
        classes: number of classes.

    Returns:
        Network with the outputs "logits", "stage1", ...

    Raises:
        NetworkError: a kernel is larger than the map that it meets.
    """
    x = inputs = keras.Input(input_shape, name="image")
    taps: dict[str, Tensor] = {}
    for number, layer in enumerate(config.layers, start=1):
        pooled = layer.pool > 0
        name = f"layer{number}"
        x = _convolution(x, layer, config, f"{name}_maxout" if pooled else name)
        if pooled or number == len(config.layers):
            taps[f"stage{len(taps) + 1}"] = x
        if pooled:
            x = partial_max_pool(x, layer.pool, layer.pool_stride or layer.pool, name)
    logits = _classifier(x, config, classes)
    return keras.Model(inputs, {"logits": logits, **taps}, name="fitnet")


def _convolution(x: Tensor, layer: MaxoutLayer, config: NetworkConfig, name: str) -> Tensor:
    height, width = (size + 2 * layer.padding for size in x.shape[1:3])
    if layer.kernel > min(height, width):
        raise NetworkError(
            f"the {layer.kernel}x{layer.kernel} kernel of {name!r} does not fit its map of "
            f"{height}x{width} (padding included); use larger images or fewer pools."
        )
    return maxout(
        x,
        layer.channels,
        (layer.kernel, layer.kernel),
        layer.pieces,
        name=name,
        padding=layer.padding,
        use_bias=config.use_bias,
        l2=config.l2,
    )


def _classifier(x: Tensor, config: NetworkConfig, classes: int) -> Tensor:
    """[batch, h, w, c] -> [batch, classes]: the fully connected maxout layer, then the logits."""

    def connected(x: Tensor, units: int, pieces: int, name: str) -> Tensor:
        size = x.shape[1:3]
        return maxout(x, units, size, pieces, name=name, use_bias=config.use_bias, l2=config.l2)

    if config.fc_units:
        x = connected(x, config.fc_units, config.fc_pieces, "fc")
    if config.dropout:
        x = keras.layers.Dropout(config.dropout, name="dropout")(x)
    x = connected(x, classes, 1, "classifier")
    # The map is one pixel: its mean is the pixel, and leaves [batch, classes].
    return keras.layers.GlobalAveragePooling2D(name="logits")(x)
