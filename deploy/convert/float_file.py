"""A float `.tflite` file as what is converted, where the network that it was made of is gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hintlite.deploy.convert.checks import ConversionError
from hintlite.deploy.convert.form import Form
from hintlite.deploy.convert.front import STEPS, Affine, Line
from hintlite.deploy.convert.frozen import End
from hintlite.deploy.interpret.runtime import Runner
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import Array, Graph, Operator
from hintlite.deploy.tflite.repack import pack, unpack

# TFLite's name -> that of the same operator in TensorFlow.
_AFFINE = {"ADD": "Add", "SUB": "Sub", "MUL": "Mul", "DIV": "RealDiv"}
_MADE = ("int8", "int16x8", "int4")


@dataclass(frozen=True)
class FloatFile:
    """A float file of one input and one output.

    Attributes:
        content: its bytes.
        inputs, outputs: its ends.
    """

    content: bytes
    inputs: tuple[End, ...]
    outputs: tuple[End, ...]

    def answers(self, samples: Sequence[Array]) -> list[Array]:
        """Outputs [n, ...] for samples [n, ...]."""
        return [Runner(self.content).predict(np.asarray(samples[0], np.float32))]

    def split_fronts(self) -> tuple[FloatFile, tuple[Affine | None, ...]]:
        """As `hintlite.deploy.convert.front.split_fronts`."""
        graph = read_model(self.content).main
        here, channels = graph.inputs[0], self.inputs[0].shape[-1]
        line, passed = Line(np.ones(channels), np.zeros(channels)), list[Operator]()
        while True:
            readers = [each for each in graph.operators if here in each.inputs]
            found = _next(graph, readers[0], here, line) if len(readers) == 1 else None
            if found is None or here in graph.outputs:
                break
            line, here = found, readers[0].outputs[0]
            passed.append(readers[0])
        if not passed:
            return self, (None,)
        names = tuple(graph.tensors[each.outputs[0]].name for each in passed)
        front = Affine.of(line, names)
        return replace(self, content=_without(self.content, passed, here)), (front,)

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
        seen = observe(self.content, np.asarray(calibration[0], np.float32))
        bits = 16 if form.precision == "int16x8" else 8
        few = 4 if form.precision == "int4" else 8
        return to_integer(self.content, seen, Choices(activation_bits=bits, weight_bits=few))


def read_float_file(content: bytes) -> FloatFile:
    """Reads a file.

    Raises:
        ConversionError: it is no float file, or has several inputs or outputs.
        ModelError: no TFLite file.
    """
    graph = read_model(content).main
    ends = [[graph.tensors[index] for index in each] for each in (graph.inputs, graph.outputs)]
    if any(len(each) != 1 for each in ends):
        raise ConversionError(
            f"The file has {len(ends[0])} inputs and {len(ends[1])} outputs; files of one of each "
            "are taken: give the .keras file or the SavedModel that it was made of."
        )
    quantized = next((t for t in graph.tensors if t.quantization is not None), None)
    if quantized is not None or ends[0][0].dtype != "FLOAT32":
        raise ConversionError(
            "The file is quantized already (`hintlite inspect` shows how): give the float file."
        )
    inputs, outputs = ([End(t.name, tuple(t.shape[1:])) for t in each] for each in ends)
    return FloatFile(content, tuple(inputs), tuple(outputs))


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


def _without(content: bytes, passed: Sequence[Operator], start: int) -> bytes:
    """The file that begins at another tensor."""
    file = unpack(content)
    graph = file.subgraphs[0]
    gone = {each.index for each in passed}
    graph.operators = [each for n, each in enumerate(graph.operators) if n not in gone]
    before = int(graph.inputs[0])
    graph.inputs = np.array([start], np.int32)
    for signature in file.signatureDefs or []:
        for each in signature.inputs:
            if each.tensorIndex == before:
                each.tensorIndex = start
    return pack(file, len(content))
