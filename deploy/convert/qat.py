"""A `tf_keras` network, with or without fake quantization, to `.tflite` bytes.

Runs in a process of its own, where `tf.keras` is Keras 2 (see pipeline/qat).
"""

from __future__ import annotations

from typing import Any

from hintlite.deploy.convert.checks import require_full_int8
from hintlite.deploy.convert.convert import run_converter

__all__ = ["fake_quantized_to_int8", "legacy_to_float32"]


def fake_quantized_to_int8(model: Any) -> bytes:
    """Convert a network whose ranges fake quantization has learned; no calibration is needed.

    Args:
        model: `tf_keras.Model` from tfmot, [batch, h, w, c] -> [batch, classes].

    Returns:
        The bytes of a `.tflite` file that passed `require_full_int8`.

    Raises:
        ConversionError: an operation that TFLite does not have, or one that stayed in float.
    """
    import tensorflow as tf

    converter = _converter(model)
    # Without TFLITE_BUILTINS_INT8, which would demand calibration samples.
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    content = run_converter(converter)
    require_full_int8(content)
    return content


def legacy_to_float32(model: Any) -> bytes:
    """Convert a `tf_keras.Model` without quantization; as `to_float32` of convert.py."""
    return run_converter(_converter(model))


def _converter(model: Any) -> Any:
    import tensorflow as tf

    signature = [tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="input")]

    @tf.function(input_signature=signature)
    def serve(input):  # type: ignore[no-untyped-def]
        return {"logits": model(input, training=False)}

    # Not the model itself: the converter would save and trace all of its functions, minutes' work.
    holder = tf.Module()
    holder.weights = list(model.variables)
    return tf.lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()], holder)
