"""The file of a simulation while it is put together, operator by operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hintlite.deploy.explain.ranges import is_rounded_tensor
from hintlite.deploy.tflite.graph import Array, Model, ModelError, Operator
from hintlite.deploy.tflite.inspect import is_parameter
from hintlite.deploy.tflite.repack import aligned_buffer, pack, unpack

_CONVERSIONS = frozenset({"QUANTIZE", "DEQUANTIZE"})


class Draft:
    """Starts with the tensors of the INT8 file; float tensors are added where they are needed.

    A tensor of the INT8 file is *free* where only float values of it exist: no operator has
    rounded them.
    """

    def __init__(self, model: Model) -> None:
        """Start without operators.

        Args:
            model: the INT8 file, of one graph.

        Raises:
            ModelError: its weights stand behind the flatbuffer (files above 2 GB).
        """
        from ai_edge_litert import schema_py_generated as schema

        self._schema, self._source = schema, model.main
        self._size_bytes = len(model.content)
        self._model = unpack(model.content)
        if any(buffer.offset > 1 for buffer in self._model.buffers):
            raise ModelError("The file keeps its weights behind the flatbuffer (above 2 GB).")
        self._graph = self._model.subgraphs[0]
        self._operators, self._graph.operators = self._graph.operators, []
        self._float: dict[int, int] = {}  # tensor of the INT8 file -> its float values
        self._exact: dict[int, int] = {}  # the same, before they are rounded
        self._free: set[int] = set()

    def free_inputs(self) -> None:
        """Let the model take float inputs."""
        for index in self._source.inputs:
            self._set_float(index, self._new_tensor(index, self._schema.TensorType.FLOAT32))
        self._graph.inputs = np.array(
            [self._float.get(index, index) for index in self._source.inputs], np.int32
        )

    def reads_free(self, operator: Operator) -> bool:
        """Whether an input of the operator exists in float alone."""
        return not self._free.isdisjoint(operator.inputs)

    def keep(self, operator: Operator) -> None:
        """Append an operator as it is in the file."""
        self._graph.operators.append(self._operators[operator.index])

    def compute(self, operator: Operator, weights: Mapping[int, Array]) -> None:
        """Append an operator in float; its integer outputs become free.

        Args:
            operator: of the INT8 file.
            weights: position of an input -> float values for it; other constants are dequantized.
        """
        if operator.name in _CONVERSIONS and not self._of_half_precision(operator):
            self._set_float(operator.outputs[0], self._real(operator.inputs[0]))
            return
        packed = self._operators[operator.index]
        inputs = [self._real(index) if index >= 0 else index for index in operator.inputs]
        for position, values in weights.items():
            inputs[position] = self._constant(operator.inputs[position], values)
        packed.inputs = np.array(inputs, np.int32)
        for index in operator.outputs:
            if is_rounded_tensor(self._source.tensors[index]):
                self._set_float(index, self._new_tensor(index, self._schema.TensorType.FLOAT32))
        packed.outputs = np.array([self._float.get(i, i) for i in operator.outputs], np.int32)
        self._graph.operators.append(packed)

    def _of_half_precision(self, operator: Operator) -> bool:
        return self._source.tensors[operator.inputs[0]].dtype in {"FLOAT16", "BFLOAT16"}

    def round(self, index: int) -> None:
        """Round the float values of a tensor to the file's integers, which are read from now on."""
        if index in self._free and is_rounded_tensor(self._source.tensors[index]):
            self._append("QUANTIZE", self._float.pop(index), index)
            self._free.discard(index)

    def finish(self) -> tuple[bytes, dict[int, int]]:
        """The file's bytes, and where the values of each tensor stand before they are rounded."""
        graph, model = self._graph, self._model
        outputs = [self._float[i] if i in self._free else i for i in self._source.outputs]
        graph.outputs = np.array(outputs, np.int32)
        model.signatureDefs = model.metadata = model.metadataBuffer = None
        for index, buffer in enumerate(model.buffers):
            if buffer.data is not None and len(buffer.data):
                model.buffers[index] = aligned_buffer(buffer.data)
        native = {
            tensor.index: tensor.index
            for tensor in self._source.tensors
            if not tensor.constant and tensor.quantization is None
        }
        return pack(model, 4 * self._size_bytes), native | self._exact

    def _set_float(self, index: int, place: int) -> None:
        self._float[index] = self._exact[index] = place
        self._free.add(index)

    def _real(self, index: int) -> int:
        """The tensor with the float values of one of the file's; itself if it has no scale."""
        tensor = self._source.tensors[index]
        if index not in self._float and tensor.constant and is_parameter(tensor):
            if tensor.quantization is None:
                return index
            self._float[index] = self._constant(index, tensor.real_values())
        elif index not in self._float and is_rounded_tensor(tensor):
            self._float[index] = self._new_tensor(index, self._schema.TensorType.FLOAT32)
            self._append("DEQUANTIZE", index, self._float[index])
        return self._float.get(index, index)

    def _constant(self, like: int, values: Array) -> int:
        """A float constant with a buffer of its own."""
        place = self._new_tensor(like, self._schema.TensorType.FLOAT32)
        self._graph.tensors[place].buffer = len(self._model.buffers)
        self._model.buffers.append(aligned_buffer(np.ascontiguousarray(values, np.float32)))
        return place

    def _new_tensor(self, like: int, kind: int) -> int:
        """A tensor of the shape and name of another, without values."""
        tensor, model = self._schema.TensorT(), self._graph.tensors[like]
        tensor.shape, tensor.shapeSignature = model.shape, model.shapeSignature
        tensor.hasRank, tensor.type, tensor.name = model.hasRank, kind, model.name
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _append(self, name: str, source: int, result: int) -> None:
        operator = self._schema.OperatorT()
        operator.opcodeIndex = self._code(name)
        operator.inputs = np.array([source], np.int32)
        operator.outputs = np.array([result], np.int32)
        self._graph.operators.append(operator)

    def _code(self, name: str) -> int:
        """The place of an operator's code in the file; a new one if it is not there."""
        number: Any = getattr(self._schema.BuiltinOperator, name)
        codes = self._model.operatorCodes
        for place, code in enumerate(codes):
            if max(code.builtinCode, code.deprecatedBuiltinCode) == number:
                return place
        code = self._schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
        codes.append(code)
        return len(codes) - 1
