"""What a network and its calibration data must be, and what a converted file must have become."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.full_integer import full_integer_faults
from hintlite.deploy.tflite.graph import Model
from hintlite.errors import HintliteError

# The converter gives a tensor that was 0 on every calibration sample the range +-1e-6.
_DEAD_SCALE = 1e-8


class ConversionError(HintliteError):
    """A network or calibration data that give no file as asked for."""


class DeadLayerError(ConversionError):
    """A network with a layer that gives 0 for every sample: there is no scale to give it."""


def check_network(model: Any) -> None:
    """Refuse what is no classifier with finite weights.

    Args:
        model: expected to be a functional `keras.Model` of pictures [batch, h, w, c], series
            [batch, time, c] or rows [batch, c] to [batch, classes].

    Raises:
        ConversionError: another kind, other inputs or outputs, or a weight that is not finite.
    """
    import keras

    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        raise ConversionError(
            f"Expected a functional keras.Model, got {type(model).__name__}. Build it with "
            "keras.Model(inputs, outputs), or call the model once and wrap it."
        )
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ConversionError(
            f"Expected one input and one output (the logits), got {len(model.inputs)} and "
            f"{len(model.outputs)}: convert keras.Model(model.inputs, outputs['logits'])."
        )
    shape, output = model.inputs[0].shape, model.outputs[0].shape
    known = 2 <= len(shape) <= 4 and None not in shape[1:]
    if not known or len(output) != 2 or output[1] is None:
        raise ConversionError(
            "Expected input [batch, h, w, c], [batch, time, c] or [batch, c] with fixed sizes and "
            f"output [batch, classes], got {list(shape)} and {list(output)}."
        )
    for variable in model.variables:
        if not np.isfinite(np.asarray(variable, np.float32)).all():
            raise ConversionError(
                f"Weight '{variable.path}' holds NaN or infinity: the training diverged. Train "
                "again with a smaller learning rate."
            )


def check_calibration(calibration: NDArray[np.float32], input_shape: tuple[int, ...]) -> None:
    """Refuse calibration data that the converter would misread.

    Args:
        calibration: [n, ...].
        input_shape: of the network, without the batch.

    Raises:
        ConversionError: not float32, no sample, another shape, or values that are not finite.
    """
    if not isinstance(calibration, np.ndarray) or calibration.dtype != np.float32:
        kind = getattr(calibration, "dtype", type(calibration).__name__)
        raise ConversionError(
            f"Calibration data must be a float32 array, normalised as in training; got {kind}."
        )
    if calibration.shape[1:] != input_shape:
        raise ConversionError(
            f"Calibration data must have the shape [n, {_sizes(input_shape)}] of the network's "
            f"input; got [{_sizes(calibration.shape)}]."
        )
    if len(calibration) == 0:
        raise ConversionError("Calibration needs at least 1 sample, got none: give some hundreds.")
    if not np.isfinite(calibration).all():
        sample = int(np.argmax(~np.isfinite(calibration.reshape(len(calibration), -1)).all(1)))
        raise ConversionError(
            f"Calibration sample {sample} holds NaN or infinity: check the data and its "
            "normalization (a standard deviation of 0?)."
        )


def require_full_int8(content: bytes) -> None:
    """Check on the flatbuffer itself that every operator computes on integers.

    QUANTIZE between two INT8 tensors (another scale) is allowed, one that touches a float is not.

    Args:
        content: the bytes of a `.tflite` file.

    Raises:
        ConversionError: names the operator, its index, the tensor and what to do.
        ModelError: no TFLite file.
    """
    require_integer(content, "int8", "int8")


def require_integer(content: bytes, precision: str, ends: str) -> None:
    """As `require_full_int8`, for files of other precisions and ends.

    Args:
        content: the bytes of a `.tflite` file.
        precision: "int8", "int4" or "int16x8".
        ends: type of inputs and outputs; with "float32" a QUANTIZE and a DEQUANTIZE stand there.

    Raises: see `require_full_int8`.
    """
    model = read_model(content)
    activations = "INT16" if precision == "int16x8" else "INT8"
    faults = full_integer_faults(model, activations, ends.upper())
    if faults:
        # QUANTIZE and DEQUANTIZE stand around the culprit: name the culprit.
        culprit = next((fault for fault in faults if not fault.between_types), faults[0])
        raise ConversionError(
            f"The file is not full {activations}: {culprit} TFLite has no {activations} kernel for "
            "what the network does there: replace that layer (ReLU, ReLU6, batch normalization "
            "after a convolution, Add, Maximum, pooling, Dense and convolutions all have one)."
        )
    require_live_tensors(model)


def require_live_tensors(model: Model) -> None:
    """A tensor that calibration saw as 0 throughout has no usable scale; XNNPACK refuses it.

    Raises:
        DeadLayerError: names the operator and the tensor.
    """
    for operator in model.main.operators:
        for index in operator.outputs:
            tensor = model.main.tensors[index]
            scales = tensor.quantization.scales if tensor.quantization else (1.0,)
            if min(scales) < _DEAD_SCALE:
                raise DeadLayerError(
                    f"Operator {operator.index} ({operator.name}): its tensor {index} "
                    f"'{tensor.name}' was 0 on every calibration sample, so it has no INT8 scale. "
                    "Calibrate with samples of the training data; if they are, the layer is dead: "
                    "train again with a smaller learning rate or another seed."
                )


def _sizes(shape: tuple[int, ...]) -> str:
    return ", ".join(str(size) for size in shape)
