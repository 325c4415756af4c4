"""A float `.tflite` file as what is converted, where the network that it was made of is gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hintlite.deploy.convert.checks import ConversionError
from hintlite.deploy.convert.form import Form
from hintlite.deploy.convert.front import STEPS, Affine, Line
from hintlite.deploy.convert.frozen import End
from hintlite.deploy.interpret.several import end_names
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import Array, Graph, Operator, Tensor
from hintlite.deploy.tflite.repack import pack, unpack

# TFLite's name -> that of the same operator in TensorFlow.
_AFFINE = {"ADD": "Add", "SUB": "Sub", "MUL": "Mul", "DIV": "RealDiv"}
_MADE = ("int8", "int16x8", "int4")


@dataclass(frozen=True)
class FloatFile:
    """A float file.

    Attributes:
        content: its bytes.
        inputs, outputs: its ends, in the order of the file.
    """

    content: bytes
    inputs: tuple[End, ...]
    outputs: tuple[End, ...]

    def answers(self, samples: Sequence[Array]) -> list[Array]:
        """Outputs, one array [n, ...] each, for samples, one array [n, ...] an input."""
        fed = [
            np.ascontiguousarray(array, end.dtype)
            for array, end in zip(samples, self.inputs, strict=True)
        ]
        interpreter = _loaded(self.content)
        graph = read_model(self.content).main
        rows = []
        for row in range(len(fed[0])):
            interpreter.reset_all_variables()
            for index, array in zip(graph.inputs, fed, strict=True):
                interpreter.set_tensor(index, array[row : row + 1])
            interpreter.invoke()
            rows.append([interpreter.get_tensor(index) for index in graph.outputs])
        return [np.concatenate(column) for column in zip(*rows, strict=True)]

    def split_fronts(self) -> tuple[FloatFile, tuple[Affine | None, ...]]:
        """As `hintlite.deploy.convert.front.split_fronts`."""
        graph = read_model(self.content).main
        content, fronts = self.content, list[Affine | None]()
        found = [
            _front(graph, index, end) for index, end in zip(graph.inputs, self.inputs, strict=True)
        ]
        gone = [each for passed, _, _ in found for each in passed]
        if gone:
            content = _without(content, gone, [start for _, start, _ in found])
        for passed, _, line in found:
            names = tuple(graph.tensors[each.outputs[0]].name for each in passed)
            fronts.append(Affine.of(line, names) if passed else None)
        return replace(self, content=content), tuple(fronts)

    def to_file(self, form: Form, calibration: Sequence[Array]) -> bytes:
        """Converts; see `hintlite.deploy.convert.forms.to_file`.

        Raises:
            ConversionError: a form that cannot be made of a file.
        """
        from hintlite.deploy.ptq.observe import observe
        from hintlite.deploy.ptq.static import Choices, to_integer

        plain = Form(form.precision) == form or form.io == Form(form.precision).ends
        if form.precision not in _MADE or not plain or form.dense == "per_tensor":
            raise ConversionError(
                f"A float .tflite file becomes {', '.join(_MADE)} with ends of the same integers; "
                "for other forms give the .keras file or the SavedModel that it was made of."
            )
        fed = [
            np.ascontiguousarray(array, end.dtype)
            for array, end in zip(calibration, self.inputs, strict=True)
        ]
        seen = observe(self.content, fed)
        bits = 16 if form.precision == "int16x8" else 8
        few = 4 if form.precision == "int4" else 8
        return to_integer(self.content, seen, Choices(activation_bits=bits, weight_bits=few))


def read_float_file(content: bytes) -> FloatFile:
    """Reads a file.

    Raises:
        ConversionError: it is quantized, or an input or output is not of numbers with a batch of 1.
        ModelError: no TFLite file.
    """
    model = read_model(content)
    graph = model.main
    if any(tensor.quantization is not None for tensor in graph.tensors):
        raise ConversionError(
            "The file is quantized already (`hintlite inspect` shows how): give the float file."
        )
    names = end_names(model)
    inputs, outputs = (
        tuple(_end(graph.tensors[index], name) for index, name in zip(each, told, strict=True))
        for each, told in zip((graph.inputs, graph.outputs), names, strict=True)
    )
    if all(end.dtype != "float32" for end in inputs):
        raise ConversionError(
            f"No input of the file takes float values: {', '.join(e.dtype for e in inputs)}; its "
            "quantizer has no ranges to choose: give the .keras file or the SavedModel."
        )
    return FloatFile(content, inputs, outputs)


def _end(tensor: Tensor, name: str) -> End:
    dtype = {"FLOAT32": "float32", "INT32": "int32", "INT64": "int64"}.get(tensor.dtype)
    if (
        dtype is None
        or tensor.shape[:1] not in ((1,), (-1,))
        or min(tensor.shape[1:], default=1) < 1
    ):
        raise ConversionError(
            f"The file's end {name!r} is {tensor.dtype} {list(tensor.shape)}; expected float32 or "
            "whole numbers [1, ...] of fixed sizes: convert the model with a batch of 1."
        )
    return End(name, tuple(tensor.shape[1:]), dtype)


def _loaded(content: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    return interpreter


def _front(graph: Graph, index: int, end: End) -> tuple[list[Operator], int, Line]:
    """The affine operators behind one input, the tensor behind them, and what they compute."""
    here, channels = index, end.shape[-1] if end.shape else 1
    line, passed = Line(np.ones(channels), np.zeros(channels)), list[Operator]()
    while end.dtype == "float32":
        readers = [each for each in graph.operators if here in each.inputs]
        found = _next(graph, readers[0], here, line) if len(readers) == 1 else None
        if found is None or here in graph.outputs:
            break
        line, here = found, readers[0].outputs[0]
        passed.append(readers[0])
    return passed, here, line


def _next(graph: Graph, operator: Operator, here: int, line: Line) -> Line | None:
    if operator.name not in _AFFINE or len(operator.inputs) != 2:
        return None
    if operator.options.get("fused_activation_function", "NONE") != "NONE":
        return None
    first = operator.inputs[1] == here
    other = graph.tensors[operator.inputs[0 if first else 1]]
    return (
        line.followed(STEPS[_AFFINE[operator.name]], other.values(), first)
        if (other.constant)
        else None
    )


def _without(content: bytes, passed: Sequence[Operator], starts: Sequence[int]) -> bytes:
    """The file that begins at other tensors, one an input."""
    file = unpack(content)
    graph = file.subgraphs[0]
    gone = {each.index for each in passed}
    graph.operators = [each for n, each in enumerate(graph.operators) if n not in gone]
    moved = dict(zip(map(int, graph.inputs), starts, strict=True))
    graph.inputs = np.array(starts, np.int32)
    for signature in file.signatureDefs or []:
        for each in signature.inputs:
            each.tensorIndex = moved.get(each.tensorIndex, each.tensorIndex)
    return pack(file, len(content))
