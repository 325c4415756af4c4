"""Keras 3's recurrent layers as the converter understands them.

The converter makes one operator of an LSTM if it finds it as a function with the attribute
`api_implements`, with the arguments and the five results that Keras 2 gave it
(`lstm_with_backend_selection` in tf_keras/src/layers/rnn/lstm.py; `ConvertKerasLSTMLayer` in
tensorflow/compiler/mlir/lite/utils/lstm_utils.cc). Any other loop becomes a WHILE, which cannot be
INT8; unrolled, it is a chain of ordinary operators.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.repack import pack, unpack

LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
# Places among its inputs and intermediate tensors (tensorflow/lite/kernels/lstm_shared.h).
_PROJECTION, _HIDDEN_STATE, _CELL_STATE, _HIDDEN = 16, 18, 19, 4
_LEAST_CELL_SCALE = 2.0**-15
_INT8 = 9  # TensorType.INT8 of the schema


@contextmanager
def convertible(model: Any) -> Iterator[bool]:
    """Lets a model be traced with one fused operator an LSTM, and other loops unrolled.

    An LSTM is fused where TFLite's kernel computes the same: with tanh and sigmoid, from a state
    of zeros, without a mask.

    Args:
        model: a `keras.Model`; it is as before at the end.

    Yields:
        Whether anything is fused, which freezing the graph would take apart again.
    """
    import keras

    layers = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.RNN) and not layer.stateful
    ]
    fused = [layer for layer in layers if _can_be_fused(layer)]
    unrolled = [layer for layer in layers if layer not in fused and not layer.unroll]
    for layer in fused:
        layer.call = _call_of(layer)
    for layer in unrolled:
        layer.unroll = True
    try:
        yield bool(fused)
    finally:
        for layer in fused:
            del layer.call
        for layer in unrolled:
            layer.unroll = False


def _can_be_fused(layer: Any) -> bool:
    import keras

    return (
        type(layer) is keras.layers.LSTM
        and layer.cell.activation is keras.activations.tanh
        and layer.cell.recurrent_activation is keras.activations.sigmoid
        and not layer.return_state
        and not layer.unroll
    )


def _call_of(layer: Any) -> Callable[..., Any]:
    """What stands for a layer's `call` while it is traced."""
    import tensorflow as tf

    attributes = {
        "api_implements": f"lstm_{uuid.uuid4()}",
        "api_preferred_device": "CPU",
        "time_major": False,
        "go_backwards": False,
    }
    function = tf.function(_lstm, autograph=False, experimental_attributes=attributes)
    cell, original = layer.cell, type(layer).call

    def call(
        sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        if mask is not None or initial_state is not None:
            return original(layer, sequences, initial_state, mask, training)
        if layer.go_backwards:
            sequences = tf.reverse(sequences, [1])
        zeros = tf.zeros((tf.shape(sequences)[0], cell.units))
        bias = cell.bias if cell.use_bias else tf.zeros(4 * cell.units)
        kernels = (tf.convert_to_tensor(each) for each in (cell.kernel, cell.recurrent_kernel))
        last, every, *_ = function(sequences, zeros, zeros, *kernels, tf.convert_to_tensor(bias))
        return every if layer.return_sequences else last

    return call


def _lstm(
    inputs: Any, init_h: Any, init_c: Any, kernel: Any, recurrent_kernel: Any, bias: Any
) -> tuple[Any, ...]:
    """Hochreiter & Schmidhuber 1997 with forget gates, gates in the order i, f, c, o.

    Args:
        inputs: [batch, time, channels].
        init_h, init_c: [batch, units].
        kernel: [channels, 4 units]; recurrent_kernel: [units, 4 units]; bias: [4 units].

    Returns:
        The last output [batch, units], all outputs [batch, time, units], both states, and a number
        that the converter expects and nobody reads.
    """
    import tensorflow as tf

    steps = tf.transpose(inputs, (1, 0, 2))
    count = tf.shape(steps)[0]

    def step(time: Any, h: Any, c: Any, outputs: Any) -> tuple[Any, ...]:
        z = tf.matmul(steps[time], kernel) + tf.matmul(h, recurrent_kernel) + bias
        i, f, candidate, o = tf.split(z, 4, axis=1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(candidate)
        h = tf.sigmoid(o) * tf.tanh(c)
        return time + 1, h, c, outputs.write(time, h)

    outputs = tf.TensorArray(inputs.dtype, count, element_shape=init_h.shape)
    _, h, c, outputs = tf.while_loop(
        lambda time, *_: time < count, step, (0, init_h, init_c, outputs)
    )
    return h, tf.transpose(outputs.stack(), (1, 0, 2)), h, c, tf.constant(0.0)


@contextmanager
def each_sample_anew() -> Iterator[None]:
    """Lets the converter calibrate an LSTM from a state of zeros in each sample.

    Its calibrator runs all samples in one go, as if they were one sequence, and so sees other
    ranges than a network has that begins anew. It prepares the interpreter, which resets the
    state, before the first sample that it is handed: so it is handed each one alone.
    """
    from tensorflow.lite.python.optimize.calibrator import Calibrator

    feed = Calibrator._feed_tensors

    def feed_one_by_one(self: Any, samples: Callable[[], Any], resize_input: bool) -> None:
        for sample in samples():
            feed(self, lambda one=sample: iter([one]), resize_input)

    Calibrator._feed_tensors = feed_one_by_one
    try:
        yield
    finally:
        Calibrator._feed_tensors = feed


def with_sound_states(content: bytes) -> bytes:
    """Mends the scales of the states of fused INT8 LSTMs, where the converter has got them wrong.

    The kernel copies the hidden state to the output as it is, and so needs one scale for both
    (`CalculateLstmOutputInteger8x8_16` in tensorflow/lite/kernels/lstm_eval.cc); the converter
    forgets that where the output takes the scale of another tensor, as at a concatenation. And the
    kernel's tanh takes a cell state of 0 integer bits or more, a scale of 2^-15 or more; a network
    whose cells stay below 0.5 gets a smaller one, and answers noise.

    Args:
        content: of any `.tflite` file.

    Returns:
        The same bytes where nothing is to be changed.
    """
    graph = read_model(content).main
    if not any(operator.name == LSTM for operator in graph.operators):
        return content
    file = unpack(content)
    tensors = file.subgraphs[0].tensors
    changes = [
        change
        for read, operator in zip(graph.operators, file.subgraphs[0].operators, strict=True)
        if read.name == LSTM and tensors[operator.outputs[0]].type == _INT8
        for change in _mended(tensors, operator)
    ]
    return pack(file, len(content)) if changes else content


def _mended(tensors: Any, operator: Any) -> Iterator[str]:
    """Sets the scales of one LSTM; yields what was changed."""
    if operator.inputs[_PROJECTION] < 0:
        output = tensors[operator.outputs[0]].quantization
        for index in (operator.inputs[_HIDDEN_STATE], operator.intermediates[_HIDDEN]):
            own = tensors[index].quantization
            if (own.scale[0], own.zeroPoint[0]) != (output.scale[0], output.zeroPoint[0]):
                tensors[index].quantization = output
                yield "hidden state"
    cell = tensors[operator.inputs[_CELL_STATE]].quantization
    if cell.scale[0] < _LEAST_CELL_SCALE:
        cell.scale = np.array([_LEAST_CELL_SCALE], np.float32)
        yield "cell state"
