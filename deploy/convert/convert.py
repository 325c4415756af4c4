"""A Keras network to `.tflite` bytes, in four precisions.

Every file has one signature, `serving_default`: `input` [1, h, w, c] -> `logits` [1, classes]. The
batch is fixed to 1 because that is what a device runs, and because a fixed batch lets the
converter fold the SHAPE / STRIDED_SLICE / PACK operators that `Flatten` and `Reshape` would
otherwise leave in the file. The same weights under the same layer names, with the same
calibration samples, give the same bytes in every process on one machine; but where an operator
of several outputs was mended (`mends.py`), the converter numbers the tensors differently at times.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.convert.checks import (
    ConversionError,
    check_calibration,
    check_network,
    require_full_int8,
)
from hintlite.deploy.convert.mends import mended
from hintlite.deploy.convert.recurrent import convertible, each_sample_anew

logger = logging.getLogger(__name__)

__all__ = [
    "ConversionError",
    "require_full_int8",
    "to_dynamic_range",
    "to_float16",
    "to_float32",
    "to_int8",
]


def to_float32(model: Any) -> bytes:
    """Convert without quantization.

    Args:
        model: functional `keras.Model`, input [batch, h, w, c], one output [batch, classes].

    Returns:
        The bytes of a `.tflite` file with float32 weights, input and output.

    Raises:
        ConversionError: the network has another form, holds weights that are not finite, or uses
            an operation that TFLite does not have.
    """
    return run_converter(_converter(model)[0])


def to_float16(model: Any) -> bytes:
    """Convert with weights stored as float16; computing, input and output stay float32.

    Args, Raises: see `to_float32`.
    """
    import tensorflow as tf

    converter, _ = _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return run_converter(converter)


def to_dynamic_range(model: Any) -> bytes:
    """Convert with INT8 weights (tensors of 1024 elements and more) and float32 activations.

    Args, Raises: see `to_float32`.
    """
    import tensorflow as tf

    converter, _ = _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return run_converter(converter)


def to_int8(model: Any, calibration: NDArray[np.float32]) -> bytes:
    """Convert to full INT8: weights per channel, activations per tensor, input and output INT8.

    Scheme: Jacob et al. 2018 (arXiv 1712.05877) with per-channel weights (Krishnamoorthi 2018,
    arXiv 1806.08342); activation ranges are the smallest and largest value seen in calibration.

    Args:
        model: functional `keras.Model`, input [batch, h, w, c], one output [batch, classes].
        calibration: [n, h, w, c] float32, n >= 1, normalised as in training; some hundreds of
            training samples are enough.

    Returns:
        The bytes of a `.tflite` file that passed `require_full_int8`.

    Raises:
        ConversionError: as `to_float32`; calibration data of another shape or type, or not
            finite; an operator without an INT8 kernel; a layer that calibration never excited.
    """
    import tensorflow as tf

    converter, fused = _converter(model)
    check_calibration(calibration, tuple(model.input_shape[1:]))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.representative_dataset = lambda: ([sample[np.newaxis]] for sample in calibration)
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    with each_sample_anew() if fused else nullcontext():
        content = mended(run_converter(converter))
    require_full_int8(content)
    return content


def _converter(model: Any) -> tuple[Any, bool]:
    """A `TFLiteConverter` for the network with batch 1; and whether an LSTM is one operator."""
    import keras
    import tensorflow as tf

    check_network(model)
    # Operator names carry the network's name; Keras numbers those within a process.
    network = keras.Model(model.inputs, model.outputs[0], name="network")
    signature = [tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="input")]

    @tf.function(input_signature=signature)
    def serve(input):  # type: ignore[no-untyped-def]
        return {"logits": network(input, training=False)}

    # The converter freezes variables that a trackable object holds, and no others.
    holder = tf.Module()
    holder.weights = [variable.value for variable in network.variables]
    with convertible(network) as fused:
        concrete = serve.get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete], holder), fused


def run_converter(converter: Any) -> bytes:
    """Run the converter with its remarks going to the log instead of to the terminal."""
    from tensorflow.lite.python.convert_phase import ConverterError

    try:
        with _remarks_to_log():
            return bytes(converter.convert())
    except (ConverterError, RuntimeError, ValueError) as error:
        raise ConversionError(_failure_sentence(str(error))) from error


@contextlib.contextmanager
def _remarks_to_log() -> Iterator[None]:
    """Catch what Python code prints or warns about; C++ code writes to file descriptor 2."""
    printed = io.StringIO()
    # In a notebook TensorFlow lowers the level of its own logger, and prints what it is told.
    loggers = [logging.getLogger(name) for name in ("absl", "tensorflow")]
    levels = [each.level for each in loggers]
    try:
        for each in loggers:
            each.setLevel(logging.ERROR)
        with contextlib.redirect_stdout(printed), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
        for line in printed.getvalue().splitlines():
            logger.debug("%s", line)
    for warning in caught:
        logger.debug("%s", warning.message)


def _failure_sentence(text: str) -> str:
    """One sentence from the converter's pages of output."""
    operations = re.findall(r"(?:Flex|Custom) ops: ([^\n]+)", text)
    if operations:
        names = ", ".join(dict.fromkeys(operations))
        return (
            f"TFLite has no operator for {names}. Replace the layer that uses it by one of "
            "TFLite's built-in operators."
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    reason = next((line for line in lines if "error:" in line), lines[0] if lines else "no reason")
    return f"The TFLite converter refused the network: {reason[:400]}"
