"""The logits of a Keras network, by one compiled function."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.interpret.runtime import Samples

BATCH = 32  # samples at once, as of Keras' predict


def keras_logits(network: Any, samples: Samples, batch: int = BATCH) -> NDArray[np.float32]:
    """The outputs of a network in inference mode.

    Keras' `predict` makes a new function for each model, and TensorFlow, which counts those of all
    models as one, warns of retracing on the caller's standard error.

    Args:
        network: functional `keras.Model`, [batch, h, w, c] -> [batch, classes].
        samples: [n, h, w, c] float32, n >= 1.
        batch: samples at once.

    Returns:
        [n, classes] float32.
    """
    import tensorflow as tf

    compiled = tf.function(lambda inputs: network(inputs, training=False))
    ask = compiled.get_concrete_function(
        tf.TensorSpec((None, *samples.shape[1:]), samples.dtype.name)
    )
    parts = (samples[start : start + batch] for start in range(0, len(samples), batch))
    return np.concatenate([np.asarray(ask(tf.constant(part)), np.float32) for part in parts])
