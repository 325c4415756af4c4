"""TensorFlow as a run's settings want it."""

from __future__ import annotations

from hintlite.pipeline.settings.run import RunConfig


def prepare_tensorflow(config: RunConfig) -> None:
    """Loads TensorFlow as the settings want it, and then the user's modules."""
    import tensorflow as tf

    from hintlite.pipeline.methods.outside import load_module

    tf.get_logger().setLevel("INFO")
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    for name in config.imports:
        load_module(name, "imports")
