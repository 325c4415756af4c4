"""TensorFlow as a run's settings want it."""

from __future__ import annotations

from hintlite.pipeline.settings.run import RunConfig


def prepare_tensorflow(config: RunConfig) -> None:
    """Loads TensorFlow as the settings want it."""
    import tensorflow as tf

    tf.get_logger().setLevel("INFO")
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
