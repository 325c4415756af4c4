"""TensorFlow as a run's settings want it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hintlite.pipeline.settings.run import RunConfig

if TYPE_CHECKING:
    from hintlite.pipeline.app.run.context import Context


def prepare_tensorflow(config: RunConfig) -> None:
    """Loads TensorFlow as the settings want it, and then the user's modules."""
    import tensorflow as tf

    from hintlite.pipeline.methods.outside import load_module

    tf.get_logger().setLevel("INFO")
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    for name in config.imports:
        load_module(name, "imports")


def load_tensorflow(context: Context) -> None:
    """The same for a run, once, and told: a first import takes seconds."""
    if context.has_tensorflow:
        return
    with context.terminal.task("loading TensorFlow") as bar:
        bar.line()
        prepare_tensorflow(context.config)
    context.has_tensorflow = True
