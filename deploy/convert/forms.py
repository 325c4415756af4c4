"""The forms that a network is converted to: its precision, and the types of its ends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

from hintlite.deploy.convert.checks import ConversionError, require_integer
from hintlite.deploy.convert.convert import run_converter
from hintlite.deploy.convert.form import Form
from hintlite.deploy.convert.frozen import End, Frozen, one_by_one
from hintlite.deploy.convert.mends import mended
from hintlite.deploy.convert.recurrent import each_sample_anew
from hintlite.deploy.interpret.several import plain
from hintlite.deploy.tflite.graph import Array

_SHOWN = 3  # places that a message names


def to_file(network: Frozen, form: Form, calibration: Sequence[Array] = ()) -> bytes:
    """Converts a network.

    Args:
        network: from `frozen`, with its front taken off or not.
        form: any but int4, which is made from the float file (`deploy/ptq`).
        calibration: one array [n, ...] an input, n >= 1; for integer forms.

    Returns:
        The bytes of a `.tflite` file with the signature `serving_default`.

    Raises:
        ConversionError: an operation that TFLite does not have, or not in this precision.
    """
    import tensorflow as tf

    converter = converter_of(network)
    if form.precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if form.precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if form.integer:
        sets = tf.lite.OpsSet
        sixteen = sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [
            sixteen if form.precision == "int16x8" else sets.TFLITE_BUILTINS_INT8
        ]
        converter.representative_dataset = lambda: _samples(network, calibration)
        ends = getattr(tf, form.ends)
        converter.inference_input_type = converter.inference_output_type = ends
        # TFLM had no kernel for a dense layer with a scale a unit before October 2024.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = (
            form.dense == "per_tensor"
        )
    try:
        with each_sample_anew() if network.fused else nullcontext():
            content = run_converter(converter)
    except ConversionError as error:
        raise ConversionError(f"{error}{_places(network, str(error))}") from error
    if form.integer:
        content = mended(content)
        require_integer(content, form.precision, form.ends)
    return content


def _places(network: Frozen, said: str) -> str:
    """Where in the network the operations stand that an error names."""
    graph = network.call.graph.as_graph_def() if network.graph is None else network.graph
    found = [
        f"{node.op} in '{node.name}'"
        for node in graph.node
        if re.search(rf"\b{re.escape(node.op)}\b", said) and node.op not in ("Const", "Identity")
    ]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f" The model has {', '.join(found[:_SHOWN])}{more}." if found else ""


def _samples(network: Frozen, calibration: Sequence[Array]) -> Iterator[dict[str, Array]]:
    names = input_names(network.inputs)
    for sample in one_by_one(network.inputs, calibration):
        yield dict(zip(names, sample, strict=True))


def input_names(inputs: Sequence[End]) -> tuple[str, ...]:
    """What the file's signature calls the inputs: "input" where there is one."""
    return ("input",) if len(inputs) == 1 else tuple(plain(end.name) for end in inputs)


def output_names(outputs: Sequence[End]) -> tuple[str, ...]:
    """What the file's signature calls the outputs: "logits" where there is one."""
    return tuple(plain(end.name) for end in outputs)


def converter_of(network: Frozen) -> Any:
    """A `TFLiteConverter` of a network, still without a precision."""
    import tensorflow as tf

    names = input_names(network.inputs)
    if len(set(names)) < len(names):
        raise ConversionError(f"Two inputs are called alike: {', '.join(names)}: rename them.")
    specs = [
        tf.TensorSpec((1, *end.shape), end.dtype, name=name)
        for end, name in zip(network.inputs, names, strict=True)
    ]
    outputs = output_names(network.outputs)

    @tf.function(input_signature=specs)
    def serve(*tensors):  # type: ignore[no-untyped-def]
        return dict(zip(outputs, network.call(*tensors), strict=True))

    holder = tf.Module()
    holder.weights = list(network.variables)  # which are frozen
    return tf.lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()], holder)
