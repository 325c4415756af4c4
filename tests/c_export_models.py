"""Full-INT8 flatbuffers built tensor by tensor, without a converter, and TFLM's answer to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from tflite_micro import runtime

TYPES = {"int8": schema.TensorType.INT8, "int32": schema.TensorType.INT32}
OPTIONS = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "ADD": "AddOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "CONCATENATION": "ConcatenationOptions",
    "SOFTMAX": "SoftmaxOptions",
    "LEAKY_RELU": "LeakyReluOptions",
    "PAD": "PadOptions",
    "RESHAPE": "ReshapeOptions",
    "TRANSPOSE": "TransposeOptions",
    "QUANTIZE": "QuantizeOptions",
    "EXPAND_DIMS": "ExpandDimsOptions",
    "SQUEEZE": "SqueezeOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "HARD_SWISH": "HardSwishOptions",
}


@dataclass
class ModelBuilder:
    """Collects tensors and operators of one subgraph."""

    tensors: list = field(default_factory=list)
    buffers: list = field(default_factory=lambda: [schema.BufferT()])
    operators: list = field(default_factory=list)
    codes: list = field(default_factory=list)

    def tensor(self, shape, scale=None, zero=0, *, data=None, dtype="int8", axis=0) -> int:
        """Add a tensor; `scale` and `zero` may be one number or one a channel."""
        made = schema.TensorT()
        made.shape, made.type = [int(s) for s in shape], TYPES[dtype]
        made.name, made.buffer = f"t{len(self.tensors)}", 0
        if data is not None:
            buffer = schema.BufferT()
            content = np.ascontiguousarray(data, dtype)
            buffer.data = np.frombuffer(content.tobytes(), np.uint8)
            self.buffers.append(buffer)
            made.buffer = len(self.buffers) - 1
        if scale is not None:
            scales = np.atleast_1d(np.asarray(scale, np.float32))
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale = scales
            made.quantization.zeroPoint = np.broadcast_to(np.int64(zero), scales.shape).copy()
            made.quantization.quantizedDimension = axis
        self.tensors.append(made)
        return len(self.tensors) - 1

    def operator(self, kind, inputs, outputs, **options) -> None:
        """Add an operator with the options of its schema table."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 1
        self.codes.append(code)
        made = schema.OperatorT()
        made.opcodeIndex = len(self.codes) - 1
        made.inputs, made.outputs = list(inputs), list(outputs)
        if kind in OPTIONS:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, OPTIONS[kind])
            made.builtinOptions = getattr(schema, OPTIONS[kind] + "T")()
            for name, value in options.items():
                assert hasattr(made.builtinOptions, name), name
                setattr(made.builtinOptions, name, value)
        self.operators.append(made)

    def finish(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The flatbuffer."""
        subgraph = schema.SubGraphT()
        subgraph.tensors, subgraph.operators = self.tensors, self.operators
        subgraph.inputs, subgraph.outputs = list(inputs), list(outputs)
        model = schema.ModelT()
        model.version, model.subgraphs = 3, [subgraph]
        model.operatorCodes, model.buffers = self.codes, self.buffers
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def tflm_outputs(model: bytes, inputs: np.ndarray) -> np.ndarray:
    """TFLM's output for each input `[n, ...]`, as int8 `[n, bytes]`."""
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=1 << 22)
    shape = interpreter.get_input_details(0)["shape"]
    results = []
    for values in inputs:
        interpreter.set_input(values.reshape(shape), 0)
        interpreter.invoke()
        results.append(interpreter.get_output(0).reshape(-1).copy())
    return np.stack(results)


def tflm_tensors(model: bytes, inputs: np.ndarray, tensors: Sequence[int]) -> np.ndarray:
    """TFLM's values of some tensors, one after another, for each input `[n, ...]`."""
    interpreter = runtime.Interpreter.from_bytes(
        model,
        arena_size=1 << 24,
        intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,
    )
    shape = interpreter.get_input_details(0)["shape"]
    rows = []
    for values in inputs:
        interpreter.set_input(values.reshape(shape), 0)
        interpreter.invoke()
        found = [interpreter.GetTensor(t, 0)["tensor_data"].reshape(-1) for t in tensors]
        rows.append(np.concatenate(found))
    return np.stack(rows)
