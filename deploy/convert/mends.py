"""What the converter gets wrong in an integer file, put right in the file itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hintlite.deploy.convert.recurrent import with_sound_states
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import Array, Graph, Operator
from hintlite.deploy.tflite.repack import pack, unpack

# Operators of several outputs that only move numbers -> the place of their input.
_DIVIDING = {"SPLIT": 1, "SPLIT_V": 0, "UNPACK": 0}


def mended(content: bytes) -> bytes:
    """A file from the converter with its known faults put right.

    Args:
        content: of a `.tflite` file with integer activations.

    Returns:
        The same bytes where there is no such fault.
    """
    return with_integer_splits(with_sound_states(content))


def with_integer_splits(content: bytes) -> bytes:
    """Lets operators that divide a tensor work on the integers that stand before and behind them.

    Where an output of SPLIT is read by nobody, as at the first step of an unrolled GRU, the
    converter (TensorFlow 2.21) leaves the operator in float between a DEQUANTIZE and QUANTIZEs of
    the same scale in about one conversion of three, from the same model. Numbers are only moved
    there, so the operator on integers gives the same.

    Args, Returns: see `mended`.
    """
    graph = read_model(content).main
    found = list(_in_float(graph))
    if not found:
        return content
    file = unpack(content)
    part = file.subgraphs[0]
    new = dict[int, int]()
    gone = set[int]()
    for each in found:
        divided = part.operators[each.operator.index]
        divided.inputs = _renamed(divided.inputs, {each.before.outputs[0]: each.source})
        for output in each.operator.outputs:
            part.tensors[output].type = part.tensors[each.source].type
            part.tensors[output].quantization = part.tensors[each.source].quantization
        new |= {reader.outputs[0]: reader.inputs[0] for reader in each.readers}
        gone |= {reader.index for reader in each.readers}
        if not each.shared:
            gone.add(each.before.index)
    part.operators = [each for place, each in enumerate(part.operators) if place not in gone]
    for operator in part.operators:
        operator.inputs = _renamed(operator.inputs, new)
    part.outputs = _renamed(part.outputs, new)
    for signature in file.signatureDefs or []:
        for end in signature.outputs:
            end.tensorIndex = new.get(end.tensorIndex, end.tensorIndex)
    return pack(file, len(content))


@dataclass(frozen=True)
class _Dividing:
    """An operator that divides a tensor in float.

    Attributes:
        operator: it.
        before: the DEQUANTIZE before it.
        shared: whether others read that DEQUANTIZE too.
        readers: the QUANTIZEs behind it.
    """

    operator: Operator
    before: Operator
    shared: bool
    readers: tuple[Operator, ...]

    @property
    def source(self) -> int:
        """The tensor of integers that is divided."""
        return self.before.inputs[0]


def _in_float(graph: Graph) -> Iterator[_Dividing]:
    """Those that give the same on integers."""
    made = {each.outputs[0]: each for each in graph.operators if each.name == "DEQUANTIZE"}
    for each in graph.operators:
        before = made.get(each.inputs[_DIVIDING[each.name]]) if each.name in _DIVIDING else None
        if before is None or set(each.outputs) & set(graph.outputs):
            continue
        readers = _readers(graph, each.outputs)
        if all(_requantizes(graph, other, before.inputs[0]) for other in readers):
            others = len(_readers(graph, before.outputs)) > 1
            shared = others or before.outputs[0] in graph.outputs
            yield _Dividing(each, before, shared, readers)


def _readers(graph: Graph, tensors: Sequence[int]) -> tuple[Operator, ...]:
    return tuple(each for each in graph.operators if set(each.inputs) & set(tensors))


def _requantizes(graph: Graph, operator: Operator, source: int) -> bool:
    """Whether an operator gives the type and the scale of a tensor."""
    if operator.name != "QUANTIZE":
        return False
    result, own = graph.tensors[operator.outputs[0]], graph.tensors[source]
    return (result.dtype, result.quantization) == (own.dtype, own.quantization)


def _renamed(indices: Any, new: Mapping[int, int]) -> Array:
    return np.array([new.get(int(index), int(index)) for index in indices], np.int32)
