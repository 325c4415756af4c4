"""Max pools that keep their last, partial window, against a loop in numpy."""

import keras
import numpy as np
import pytest

from hintlite.errors import HintliteError
from hintlite.models.pooling import partial_max_pool
from hintlite.models.pooling_sizes import pool_chain, pooled_size


def by_hand(image, pool, stride):
    """Windows at 0, stride, ... until the last pixel is covered, clipped at the border."""
    size = image.shape[0]
    starts = [0]
    while starts[-1] + pool < size:
        starts.append(starts[-1] + stride)
    rows = [[image[i : i + pool, j : j + pool].max() for j in starts] for i in starts]
    return np.array(rows)


def layer(size, pool, stride):
    inputs = keras.Input((size, size, 1))
    return keras.Model(inputs, partial_max_pool(inputs, pool, stride, "pool"))


@pytest.mark.parametrize(
    ("size", "pool", "stride"),
    [(33, 4, 2), (15, 4, 2), (10, 4, 2), (9, 2, 2), (8, 2, 2), (8, 8, 8), (7, 8, 8), (9, 3, 3)],
)
def test_pool_equals_the_loop(size, pool, stride):
    # Below zero throughout, so that padding with zeros would show.
    image = -1.0 - np.random.default_rng(size).random((size, size)).astype("float32")

    pooled = layer(size, pool, stride)(image[None, :, :, None])[0, :, :, 0]

    np.testing.assert_array_equal(pooled, by_hand(image, pool, stride))
    assert pooled.shape[0] == pooled_size(size, pool, stride)
    assert pooled.shape[0] == pool_chain((size, size), pool, stride)[-1][0]


def test_a_window_that_cannot_be_had_is_refused_with_the_sizes():
    with pytest.raises(HintliteError, match=r"8x8 max pool of stride 8 on a map of 12x12"):
        layer(12, 8, 8)
