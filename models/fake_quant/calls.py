"""The calls of a functional model, those inside nested models too, in one list."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras

from hintlite.models.graph import Node, is_functional, model_nodes, named_outputs

LOGITS = "logits"
# They do nothing in inference: what reads their output reads their input.
_TRAINING_ONLY = (
    *("Identity", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "ActivityRegularization"),
    *("GaussianNoise", "GaussianDropout", "AlphaDropout"),
    *("AutoContrast", "AugMix", "CutMix", "Equalization", "MixUp", "RandAugment"),
)


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer or an operation.

    Attributes:
        path: of the layer, as in "base/block_1_conv".
        node: in the innermost model's graph.
        inputs, outputs: numbers of the tensors; a tensor has one number in all models it is in.
    """

    path: str
    node: Node
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def operation(self) -> Any:
        """The layer or operation."""
        return self.node.operation

    @property
    def kind(self) -> str:
        """Its class name; "" of a class that is not Keras' own."""
        own = type(self.operation).__module__.startswith("keras.")
        return type(self.operation).__name__ if own else ""

    @property
    def training_only(self) -> bool:
        """Whether it does nothing in inference."""
        return self.kind in _TRAINING_ONLY or self.kind.startswith("Random")


@dataclass(frozen=True, eq=False)
class Calls:
    """All calls of a model, inputs first.

    What does nothing in inference makes no tensor of its own: its output has its input's number.

    Attributes:
        all: the calls.
        inputs: numbers of the model's inputs.
        outputs: numbers of the outputs that are deployed: the logits of a network with taps.
        readers: number of a tensor -> the calls that read it.
        makers: number of a tensor -> the call that makes it.
    """

    all: tuple[Call, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    readers: Mapping[int, list[Call]]
    makers: Mapping[int, Call]

    def only_reader(self, number: int) -> Call | None:
        """The call that alone reads a tensor, which is no output; None where there is no such."""
        readers = self.readers.get(number, [])
        return readers[0] if len(readers) == 1 and number not in self.outputs else None


def calls_of(model: keras.Model) -> Calls:
    """The calls of a functional model, those of nested models in the place of these."""
    counter = itertools.count()
    inputs = tuple(next(counter) for _ in model.inputs)
    numbers = {id(t): number for t, number in zip(model.inputs, inputs, strict=True)}
    calls = list(_walk(model, numbers, "", counter))
    named = named_outputs(model)
    ends = [named[LOGITS]] if LOGITS in named else model.outputs
    readers: dict[int, list[Call]] = {}
    for call in calls:
        for number in () if call.training_only else dict.fromkeys(call.inputs):
            readers.setdefault(number, []).append(call)
    makers = {n: call for call in calls if not call.training_only for n in call.outputs}
    return Calls(tuple(calls), inputs, tuple(numbers[id(t)] for t in ends), readers, makers)


def _walk(
    model: keras.Model, numbers: dict[int, int], place: str, counter: Iterator[int]
) -> Iterator[Call]:
    for node in model_nodes(model):
        if node.is_input:
            continue
        path = f"{place}{node.operation.name}"
        inputs = tuple(numbers[id(tensor)] for tensor in node.input_tensors)
        if is_functional(node.operation):
            inside = {id(t): n for t, n in zip(node.operation.inputs, inputs, strict=True)}
            yield from _walk(node.operation, inside, f"{path}/", counter)
            made = [inside[id(tensor)] for tensor in node.operation.outputs]
        else:
            call = Call(path, node, inputs, tuple(next(counter) for _ in node.output_tensors))
            if call.training_only:
                call = replace(call, outputs=inputs[:1])
            yield call
            made = list(call.outputs)
        numbers.update(zip(map(id, node.output_tensors), made, strict=True))
