"""Sizes of the maps after a max pool that keeps its last, partial window (no Keras here)."""

import math

from hintlite.errors import NetworkError

Size = tuple[int, ...]


def pooled_size(size: int, pool: int, stride: int) -> int:
    """Windows along one side where the last, partial window is kept: ceil((n - k) / s) + 1."""
    return math.ceil(max(size - pool, 0) / stride) + 1


def missing_pixels(size: int, pool: int, stride: int) -> int:
    """Pixels that the last window lacks."""
    return (pooled_size(size, pool, stride) - 1) * stride + pool - size


def pool_chain(sizes: Size, pool: int, stride: int) -> list[Size]:
    """Sizes after each of the pools that `hintlite.models.pooling.partial_max_pool` builds.

    Args:
        sizes: (h, w) of the map, in pixels.
        pool: side of the window, in pixels; clipped to the map.
        stride: step, in pixels.

    Raises:
        NetworkError: the partial windows cannot be had from plain pools.
    """
    window = [min(pool, n) for n in sizes]
    missing = [missing_pixels(n, k, stride) for n, k in zip(sizes, window, strict=True)]
    if not any(missing):
        return [tuple((n - k) // stride + 1 for n, k in zip(sizes, window, strict=True))]
    if pool == stride and max(missing) == 1:
        return [tuple(-(-n // stride) for n in sizes)]
    if pool % stride == 0 and pool > stride:
        inner = pool_chain(sizes, stride, stride)
        last = [min(pool // stride, n) for n in inner[-1]]
        return [*inner, tuple(n - k + 1 for n, k in zip(inner[-1], last, strict=True))]
    raise NetworkError(f"a {pool}x{pool} max pool of stride {stride} does not fit {sizes}")
