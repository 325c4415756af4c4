"""Hard-swish as a layer of Keras 2, which has none."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras


class HardSwish(tf_keras.layers.Layer):
    """`x * relu6(x + 3) / 6` (Howard et al. 2019, arXiv 1905.02244, section 5.2).

    Written in the form that the TFLite converter turns into one HARD_SWISH operator.
    """

    def call(self, x: Any) -> Any:
        """[batch, ...] -> [batch, ...]."""
        return x * tf.nn.relu6(x + 3.0) * 0.16666667
