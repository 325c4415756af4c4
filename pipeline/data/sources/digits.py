"""scikit-learn's digits: 1,797 handwritten digits, 8x8, embedded in the library.

UCI ML "Optical Recognition of Handwritten Digits" (Alpaydin & Kaynak 1998), test part. A raw pixel
counts dark dots, 0 to 16, and stays that: uint8 with the full scale 16.
"""

from __future__ import annotations

import numpy as np

from hintlite.pipeline.data.sources.arrays import pool_of_arrays
from hintlite.pipeline.data.sources.source import Pool
from hintlite.pipeline.settings.data import DataConfig

FULL_SCALE = 16.0


def open_digits(config: DataConfig) -> Pool:
    """Offers the 1,797 digits; they have no test set of their own."""
    del config  # nothing to choose
    from sklearn.datasets import load_digits

    loaded = load_digits()
    return pool_of_arrays(
        loaded.images.astype(np.uint8), loaded.target, "digits", raw_max=FULL_SCALE
    )
