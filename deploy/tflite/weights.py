"""Whose weights a file holds: each operator's constants against the student's, and others'.

The student is converted afresh, and the two flatbuffers are compared operator by operator. So
batch normalization is folded on both sides in the same way, and two exchanged kernels are found
although every kernel is still in the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hintlite.deploy.convert.convert import to_float32
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.foreign_weights import find_forbidden
from hintlite.deploy.tflite.graph import Array, Graph, Model, Operator, Tensor
from hintlite.deploy.tflite.inspect import is_parameter

# Rounding takes half a step; after quantization-aware training, clipping can take as much again.
TOLERANCE_STEPS = 1.0
_LARGEST = {"INT4": 7, "INT8": 127}


@dataclass(frozen=True, eq=False)
class WeightedOperator:
    """An operator with constants, and the weighted operators that feed it without another between.

    `parents` are positions in the list of weighted operators; -1 is the model's input.
    """

    operator: Operator
    constants: tuple[Tensor, ...]
    parents: frozenset[int]

    @property
    def parameters(self) -> int:
        """Elements of the constants."""
        return sum(tensor.elements for tensor in self.constants)

    def __str__(self) -> str:
        return f"operator {self.operator.index} ({self.operator.name})"


def check_weights(
    content: bytes,
    student: Any,
    forbidden: Mapping[str, Array | Sequence[Array]] | None = None,
    clipped: bool = False,
) -> tuple[str, ...]:
    """Prove that a file holds the student's weights, each at its place, and nothing else.

    Args:
        content: the bytes of a `.tflite` file of any precision.
        student: the functional `keras.Model` that it should be, [batch, h, w, c] -> logits.
        forbidden: weights of the networks that must be gone (teacher, regressor), in Keras'
            layouts, by a name for the message. Kernels are compared by the direction of each
            output channel, so that a folded batch normalization does not hide one. Leave out
            what the student rightly shares.
        clipped: the ranges of quantized weights were chosen narrower than the weights, as OCTAV
            and MSE do: the largest and the smallest integer stand for anything beyond them too.

    Returns:
        One sentence a problem; empty for a clean file.

    Raises:
        ModelError: no TFLite file.
        ConversionError: the student cannot be converted.
    """
    model, reference = read_model(content), read_model(to_float32(student))
    found, wanted = weighted_operators(model.main), weighted_operators(reference.main)
    problems = [*_end_problems(model, reference), *_count_problems(model, found, wanted)]
    problems += _operator_problems(found, wanted, clipped)
    problems += find_forbidden(model, forbidden or {})
    return tuple(problems)


def _end_problems(model: Model, reference: Model) -> Iterator[str]:
    """One input and one output, of the student's shapes."""
    if len(model.graphs) != 1:
        yield f"The file holds {len(model.graphs)} graphs, expected 1."
    for what, indices, expected in (
        ("input", model.main.inputs, reference.main.inputs),
        ("output", model.main.outputs, reference.main.outputs),
    ):
        shapes = [list(model.main.tensors[index].shape) for index in indices]
        wanted = [list(reference.main.tensors[index].shape) for index in expected]
        if shapes != wanted:
            yield (
                f"The file has {len(shapes)} {what}(s) of shape {shapes}; the student alone has "
                f"{len(wanted)} of shape {wanted}."
            )


def _count_problems(
    model: Model, found: list[WeightedOperator], wanted: list[WeightedOperator]
) -> Iterator[str]:
    """No more weights and biases than the student has with batch normalization folded.

    Counted by use, because the converter stores equal arrays once in one precision and twice in
    another.
    """
    used = {tensor.index for operator in found for tensor in operator.constants}
    idle = [t for t in model.main.tensors if is_parameter(t) and t.index not in used]
    elements = sum(operator.parameters for operator in found) + sum(t.elements for t in idle)
    expected = sum(operator.parameters for operator in wanted)
    if elements > expected:
        yield (
            f"The file holds {elements:,} weights and biases; the student has {expected:,} with "
            "its batch normalization folded: something else is in the file."
        )


def weighted_operators(graph: Graph) -> list[WeightedOperator]:
    """All operators with weights or biases, in the file's (topological) order."""
    constants = _constants_by_tensor(graph)
    sources: dict[int, frozenset[int]] = {}
    found: list[WeightedOperator] = []
    for operator in graph.operators:
        inputs = [index for index in operator.inputs if index >= 0]
        if all(index in constants for index in operator.outputs):
            continue
        fed = [i for i in inputs if i not in constants and not graph.tensors[i].constant]
        parents = frozenset[int]().union(*(sources.get(i, frozenset({-1})) for i in fed))
        own = tuple(constants[index] for index in inputs if index in constants)
        if own:
            found.append(WeightedOperator(operator, own, parents))
            parents = frozenset({len(found) - 1})
        sources.update(dict.fromkeys(operator.outputs, parents))
    return found


def _constants_by_tensor(graph: Graph) -> dict[int, Tensor]:
    """Tensor index -> the weights it carries, float16 weights behind a DEQUANTIZE included."""
    constants = {tensor.index: tensor for tensor in graph.tensors if is_parameter(tensor)}
    for operator in graph.operators:
        if operator.name == "DEQUANTIZE":
            for source, result in zip(operator.inputs, operator.outputs, strict=False):
                if source in constants:
                    constants[result] = constants[source]
    return constants


def _operator_problems(
    found: list[WeightedOperator], wanted: list[WeightedOperator], clipped: bool
) -> Iterator[str]:
    """Match the file's operators with the student's, by values and by place in the graph."""
    owners: set[int] = set()  # the student's operators whose weights were found
    places: dict[int, int] = {}  # position in the file -> the student's operator at that place
    for position, operator in enumerate(found):
        here = _at_the_same_place(operator, wanted, places)
        equal = [
            i
            for i in range(len(wanted))
            if i not in owners and _same_constants(operator, wanted[i], clipped)
        ]
        placed = [i for i in equal if i in here]
        owners.update((placed or equal)[:1])
        for i in (placed or here)[:1]:
            places[position] = i
        if not equal:
            yield f"The weights of {operator} are not the student's: {_nearest(operator, wanted)}."
        elif not placed:
            yield (
                f"The weights of {operator} are the student's {wanted[equal[0]]}, at another "
                "place of the network: weights were exchanged."
            )
    for i in sorted(set(range(len(wanted))) - owners):
        yield f"The weights of the student's {wanted[i]} are not in the file."


def _at_the_same_place(
    operator: WeightedOperator, wanted: list[WeightedOperator], places: Mapping[int, int]
) -> list[int]:
    """The student's operators that are fed by the same ones, and whose place is still free.

    All free ones where a feeding operator has no place itself: its fault is told once.
    """
    free = [i for i in range(len(wanted)) if i not in places.values()]
    if any(parent >= 0 and parent not in places for parent in operator.parents):
        return free
    parents = {places.get(parent, -1) for parent in operator.parents}
    return [i for i in free if wanted[i].parents == parents]


def _same_constants(found: WeightedOperator, wanted: WeightedOperator, clipped: bool) -> bool:
    apart = _steps_apart(found, wanted, clipped)
    return apart is not None and apart <= TOLERANCE_STEPS


def _steps_apart(
    found: WeightedOperator, wanted: WeightedOperator, clipped: bool = False
) -> float | None:
    """Largest difference in steps of the stored numbers; None where the shapes differ.

    A bias of zeros may be missing on either side: the converter drops it.
    """
    ours, theirs = list(found.constants), list(wanted.constants)
    if ours[0].shape != theirs[0].shape:
        return None
    extra = [*ours[len(theirs) :], *theirs[len(ours) :]]
    if any(np.any(tensor.real_values()) for tensor in extra):
        return None
    pairs = list(zip(ours, theirs, strict=False))
    if any(a.shape != b.shape for a, b in pairs):
        return None
    return max(_difference_in_steps(a, b, clipped) for a, b in pairs)


def _difference_in_steps(found: Tensor, wanted: Tensor, clipped: bool) -> float:
    """Largest |found - wanted| in steps of what the found tensor can represent."""
    real = wanted.real_values()
    if clipped and found.dtype in _LARGEST:
        real = _within(found, real)
    largest = float(np.max(np.abs(real), initial=0.0))
    if found.quantization is not None:
        step: Array = found.broadcast_quantization()[0]
    else:
        step = np.abs(real) * (2.0**-10 if found.dtype == "FLOAT16" else 2.0**-20)
    # Float arithmetic of the folding leaves about 1e-7 of the largest value.
    step = np.maximum(step, 1e-6 * largest + 1e-30)
    return float(np.max(np.abs(found.real_values() - real) / step, initial=0.0))


def _within(found: Tensor, real: Array) -> Array:
    """Real values cut off at the largest integers that the found tensor uses, channel by channel.

    A channel that uses no integer at an end of the type was not cut off there.
    """
    scales, zero_points = found.broadcast_quantization()
    if zero_points.any():
        return real
    stored, end = found.values().astype(np.float64), _LARGEST[found.dtype]
    axes = tuple(axis for axis, size in enumerate(scales.shape) if size == 1)
    highest, lowest = stored.max(axis=axes, keepdims=True), stored.min(axis=axes, keepdims=True)
    return np.clip(
        real,
        np.where(lowest <= -end, scales * lowest, -np.inf),
        np.where(highest >= end, scales * highest, np.inf),
    )


def _nearest(found: WeightedOperator, wanted: list[WeightedOperator]) -> str:
    """The student's operator that comes nearest, in words."""
    steps = [(_steps_apart(found, other), other) for other in wanted]
    known = [(apart, other) for apart, other in steps if apart is not None]
    if not known:
        return f"it has none of shape {list(found.constants[0].shape)}"
    apart, other = min(known, key=lambda pair: pair[0])
    return f"its {other} comes nearest and differs by {apart:.3g} steps of the stored numbers"
