"""Max pools that keep their last, partial window."""

from typing import Any

import keras

from hintlite.errors import NetworkError
from hintlite.models.pooling_sizes import missing_pixels

Tensor = Any


def partial_max_pool(x: Tensor, pool: int, stride: int, name: str) -> Tensor:
    """Max pool that keeps the last, partial window, as the authors of the FitNets have it.

    Keras knows "valid" (drops the partial window) and "same" (pads both sides, which shifts the
    windows). A pool of m strides is the same as a pool of one stride and then one of m at step 1;
    with stride 2 the first pads below and to the right alone, which is what is wanted.

    Args:
        x: feature map [batch, h, w, c].
        pool: side of the window, in pixels; clipped to the map.
        stride: step, in pixels.
        name: name of the (last) pooling layer.

    Returns:
        Feature map [batch, ceil((h - pool) / stride) + 1, the same of w, c].

    Raises:
        NetworkError: the partial windows cannot be had from Keras' pools.
    """
    sizes = x.shape[1:3]
    window = tuple(min(pool, n) for n in sizes)
    missing = [missing_pixels(n, k, stride) for n, k in zip(sizes, window, strict=True)]
    if not any(missing):
        return keras.layers.MaxPooling2D(window, stride, name=name)(x)
    if pool == stride and max(missing) == 1:
        return keras.layers.MaxPooling2D(pool, stride, padding="same", name=name)(x)
    if pool % stride == 0 and pool > stride:
        x = partial_max_pool(x, stride, stride, f"{name}_inner")
        return keras.layers.MaxPooling2D(pool // stride, 1, name=name)(x)
    raise NetworkError(
        f"a {pool}x{pool} max pool of stride {stride} on a map of {sizes[0]}x{sizes[1]} leaves a "
        f"window that misses {max(missing)} pixels (layer {name!r}); change the pool or the image "
        "size so that the windows fit, or give it stride 2 and an even side."
    )
