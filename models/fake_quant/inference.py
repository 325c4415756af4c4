"""A fake-quantized network as the file computes it: normalization folded, ranges constant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from hintlite.errors import NetworkError
from hintlite.models.fake_quant import affine
from hintlite.models.fake_quant.activations import FakeQuantizedActivation, constant
from hintlite.models.fake_quant.affine import FakeQuantizedAffine, FakeQuantizedNorm
from hintlite.models.fake_quant.calls import Call, Calls, calls_of
from hintlite.models.fake_quant.merging import FakeQuantizedJoin, FakeQuantizedPool
from hintlite.models.fake_quant.ranges import FakeQuantize, Mode, Tensor, computing
from hintlite.models.fake_quant.weights import FakeQuantizedWeights

Step = Callable[..., Tensor]


def is_fake_quantized(model: keras.Model) -> bool:
    """Whether a network has fake quantization of `fake_quantized`."""
    return any(isinstance(layer, FakeQuantize) for layer in model._flatten_layers())


def inference_function(model: keras.Model, rounded: bool = True) -> Callable[[Tensor], Tensor]:
    """What the file of a fake-quantized network computes.

    Args:
        model: from `fake_quantized`, its ranges learned.
        rounded: otherwise the same in float, with the weights that are not rounded.

    Returns:
        A function of samples float32 `[batch, ...]` to be traced once; its weights and ranges are
        those of now. With taps it gives the logits.

    Raises:
        NetworkError: a range has not been learned.
    """
    mode: Mode = "settled" if rounded else "float"
    calls = calls_of(model)
    if rounded:
        _check_ranges(model, calls)
    norms = {call: norm for call in calls.all if (norm := _folded_norm(calls, call)) is not None}
    folded = set(norms.values())
    steps = {
        call: _rounding(call) if call in folded else _step(calls, call, norms.get(call))
        for call in calls.all
        if not call.training_only
    }

    def function(x: Tensor) -> Tensor:
        values = {calls.inputs[0]: x}
        with computing(mode):
            for call, step in steps.items():
                made = step(*(values[number] for number in call.inputs))
                values.update(zip(call.outputs, keras.tree.flatten(made), strict=True))
        return values[calls.outputs[0]]

    return function


def _check_ranges(model: keras.Model, calls: Calls) -> None:
    unknown = [
        call.path
        for call in calls.all
        if isinstance(call.operation, keras.layers.Layer)
        for part in call.operation._flatten_layers()
        if isinstance(part, FakeQuantize) and not part.known
    ]
    if unknown:
        names = ", ".join(map(repr, dict.fromkeys(unknown[:3])))
        raise NetworkError(
            f"model {model.name!r}: {len(unknown)} ranges of activations have seen no values other "
            f"than 0, as in {names}: train it for some steps, or give calibration samples; where "
            "it was trained, these layers are dead: train again with a smaller learning rate"
        )


def _folded_norm(calls: Calls, call: Call) -> Call | None:
    """The normalization that is folded into a layer of kernels in the file."""
    layer = call.operation
    if not isinstance(layer, FakeQuantizedWeights) or layer.finish.after is not None:
        return None
    reader = calls.only_reader(call.outputs[0])
    if reader is None or layer.finish.kind != "linear" or layer.norm is not None:
        return None
    return reader if _is_norm(reader.operation) else None


def _is_norm(layer: Any) -> bool:
    return isinstance(layer, (keras.layers.BatchNormalization, FakeQuantizedNorm))


def _norm(call: Call) -> keras.layers.BatchNormalization:
    layer = call.operation
    return layer.norm if isinstance(layer, FakeQuantizedNorm) else layer


def _rounding(call: Call) -> Step:
    """What is left of a normalization that is folded into the layer before it."""
    layer = call.operation
    if isinstance(layer, FakeQuantizedNorm):
        return lambda x: layer.rounded(x, training=False)
    return lambda x: x


def _step(calls: Calls, call: Call, norm: Call | None) -> Step:
    """What one call computes in the file, with the weights of now."""
    layer = call.operation
    if isinstance(layer, FakeQuantizedWeights):
        return layer.inference(None if norm is None else _norm(norm))
    if isinstance(layer, FakeQuantizedAffine | FakeQuantizedNorm):
        return affine.inference(layer, call.node.input_tensors[0].shape[-1])
    plain = _in_float32(layer)
    ranges = [_range_of(calls, number) for number in call.inputs]
    if isinstance(layer, FakeQuantizedPool):
        pool, first = _in_float32(layer.layer), ranges[0] is None
        kept = ranges[0] or layer.range
        return lambda x: kept(pool(kept(x) if first else x))
    again = [_rounds_over_its_own(layer) and found is not None for found in ranges]

    def step(*inputs: Tensor) -> Tensor:
        moved = [constant(1.0, x) * x if anew else x for x, anew in zip(inputs, again, strict=True)]
        tensors = {id(t): v for t, v in zip(call.node.input_tensors, moved, strict=True)}
        args, kwargs = call.node.arguments.fill_in(tensors)
        return plain(*args, **kwargs)

    return step


def _range_of(calls: Calls, number: int) -> FakeQuantize | None:
    """What a tensor was rounded by; None of one that is in float."""
    maker = calls.makers.get(number)
    if maker is None or isinstance(maker.operation, FakeQuantize):
        return None if maker is None else maker.operation
    if type(maker.operation) is keras.layers.BatchNormalization:
        return None
    if not hasattr(maker.operation, "output_range"):
        return _range_of(calls, maker.inputs[0])
    found: FakeQuantize | None = maker.operation.output_range
    if isinstance(maker.operation, FakeQuantizedPool):
        return _range_of(calls, maker.inputs[0]) or found
    return found


def _rounds_over_its_own(layer: Any) -> bool:
    """Whether a layer rounds its inputs over a range that is not that of their makers.

    The converter drops the first of two fake quantizations that follow each other; between stands a
    multiplication by 1.
    """
    is_relu = isinstance(layer, FakeQuantizedActivation) and layer.kind == "relu"
    return isinstance(layer, FakeQuantizedJoin) or (is_relu and layer.after is not None)


def _in_float32(operation: Any) -> Any:
    """A layer without weights that computes in float32; nearest neighbours by one operator."""
    if not isinstance(operation, keras.layers.Layer):
        return operation
    if type(operation) is keras.layers.UpSampling2D and operation.interpolation == "nearest":
        height, width = operation.output.shape[1:3]
        return keras.layers.Resizing(height, width, "nearest", dtype="float32")
    if operation.compute_dtype == "float32":
        return operation
    return type(operation).from_config({**operation.get_config(), "dtype": "float32"})
