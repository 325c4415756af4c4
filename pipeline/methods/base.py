"""The protocol of a distillation method, and the sum of several.

A method says what is minimised; how it is minimised is the Distiller's business. A method owns the
layers that it needs beside the student (regressors, projections): they are trained with it and
left behind with it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

import keras

from hintlite.errors import HintliteError
from hintlite.models.taps import subnetwork

Tensor = Any
Shapes = Mapping[str, tuple[int | None, ...]]

# Names of taps -> the teacher's outputs for the training samples, unchanged, a batch at a time.
TeacherOutputs = Callable[[Collection[str]], Iterable[Mapping[str, Tensor]]]

PHASES = ("pretrain", "task")


class MethodError(HintliteError):
    """A method that does not fit the pair of networks it was given."""


class Batch(NamedTuple):
    """What a loss may look at.

    Attributes:
        student: the student's taps, float32, `[batch, ...]` each.
        teacher: the teacher's taps, float32, `[batch, ...]` each; no gradient flows to them.
        labels: class indices, int, `[batch]`.
        index: rows of the samples in the training arrays, int64, `[batch]`; -1 where the batch
            does not bring them.
        training: whether this is a training step.
    """

    student: Mapping[str, Tensor]
    teacher: Mapping[str, Tensor]
    labels: Tensor
    index: Tensor
    training: bool


@runtime_checkable
class Schedule(Protocol):
    """A weight that changes over the epochs, and with nothing else, so that resuming is exact."""

    def at(self, epoch: int, epochs: int) -> float:
        """The weight in `epoch` (from 0) of `epochs`."""


@dataclass(frozen=True)
class Linear:
    """A weight that goes in a straight line from the first epoch to the last."""

    start: float
    end: float

    def at(self, epoch: int, epochs: int) -> float:
        """The weight in `epoch` (from 0) of `epochs`."""
        return self.start + (self.end - self.start) * epoch / max(epochs - 1, 1)


@dataclass(frozen=True)
class Warmup:
    """A weight that rises in a straight line from 0 over the first epochs, then stays.

    Args:
        weight: what it rises to.
        epochs: the epoch (from 0) that is the first with the full weight; 0: all are.
    """

    weight: float
    epochs: int

    def at(self, epoch: int, epochs: int) -> float:
        """The weight in `epoch` (from 0), however many `epochs` there are."""
        del epochs
        return self.weight if epoch >= self.epochs else self.weight * epoch / self.epochs


@dataclass(frozen=True)
class Term:
    """One summand of a phase's loss.

    Attributes:
        name: appears in the history.
        loss: maps a Batch to `[batch]` losses, one a sample.
        weight: a constant, or a schedule over the epochs.
    """

    name: str
    loss: Callable[[Batch], Tensor]
    weight: float | Schedule = 1.0


@dataclass(frozen=True)
class Phase:
    """What is minimised, on which taps, with which extra layers.

    Attributes:
        terms: the summands of the loss.
        student_taps: taps of the student that the terms read; nothing deeper is run.
        teacher_taps: likewise of the teacher; empty if it is not needed.
        extras: the method's own layers that are trained in this phase.
        epochs: passes over the data; None leaves it to the student's training settings.
        learning_rate: peak; None leaves it to the student's training settings.
        keep: "best" ends with the weights of the best epoch on validation data, "last" with those
            of the last, for a loss that means nothing on other samples.
    """

    terms: tuple[Term, ...]
    student_taps: frozenset[str]
    teacher_taps: frozenset[str] = frozenset()
    extras: tuple[keras.layers.Layer, ...] = ()
    epochs: int | None = None
    learning_rate: float | None = None
    keep: str = "best"


class Method(ABC):
    """One way to train a student with a teacher.

    `build` creates the extra layers for the shapes at hand; `phases` may be asked after that.
    `prepare` is called once, when a training starts; one that goes on has its outcome back.
    """

    def build(self, teacher_taps: Shapes, student_taps: Shapes, n_samples: int) -> None:  # noqa: B027
        """Creates what the method needs beside the student.

        Args:
            teacher_taps: name -> shape `[batch, ...]` of the teacher's taps.
            student_taps: name -> shape `[batch, ...]` of the student's taps.
            n_samples: rows of the training arrays, for per-sample memories.

        Raises:
            MethodError: the pair of networks does not fit the method.
        """

    def prepare(self, outputs: TeacherOutputs) -> None:  # noqa: B027
        """Looks at the teacher's outputs for the training samples, for methods that must.

        What is learned from them belongs into variables of an extra layer: those are kept with the
        state of the training. One that goes on has them from there, and does not call this again.

        Args:
            outputs: computes the taps that it is asked for; `[batch, ...]` each, float32.

        Raises:
            MethodError: from `outputs`, when there is no teacher.
        """

    @abstractmethod
    def phases(self) -> dict[str, Phase]:
        """The phases, by key: "pretrain" comes before "task"; "task" is always there."""

    def compared_maps(self, batch: Batch) -> dict[str, tuple[Tensor, Tensor]]:
        """What the pretrain phase compares, to be looked at: name -> (target, prediction).

        Args:
            batch: the taps of that phase.

        Returns:
            Pairs of maps `[batch, h, w, c]`; nothing, if the method compares none.
        """
        del batch
        return {}


class Sum(Method):
    """Several methods at once: phases are merged by key, their losses added.

    Args:
        methods: two or more; each keeps its own extra layers.
    """

    def __init__(self, methods: Sequence[Method]) -> None:
        self.methods = tuple(methods)

    def build(self, teacher_taps: Shapes, student_taps: Shapes, n_samples: int) -> None:
        """Builds each method on the same pair."""
        for method in self.methods:
            method.build(teacher_taps, student_taps, n_samples)

    def prepare(self, outputs: TeacherOutputs) -> None:
        """Prepares each method."""
        for method in self.methods:
            method.prepare(outputs)

    def phases(self) -> dict[str, Phase]:
        """The merged phases.

        Raises:
            MethodError: two methods bring a term of the same name.
        """
        merged: dict[str, Phase] = {}
        for method in self.methods:
            for key, phase in method.phases().items():
                merged[key] = _merge(merged[key], phase) if key in merged else phase
        return {key: merged[key] for key in PHASES if key in merged}

    def compared_maps(self, batch: Batch) -> dict[str, tuple[Tensor, Tensor]]:
        """Those of all methods."""
        return {
            name: pair
            for method in self.methods
            for name, pair in method.compared_maps(batch).items()
        }


def tap_shapes(network: keras.Model, names: Iterable[str] = ()) -> Shapes:
    """Name -> shape `[batch, ...]` of a network's taps, and of the layer paths in `names`."""
    outputs = subnetwork(network, list(dict.fromkeys([*network.output, *names]))).output
    return {name: tuple(tap.shape) for name, tap in outputs.items()}


def _merge(first: Phase, second: Phase) -> Phase:
    twice = {term.name for term in first.terms} & {term.name for term in second.terms}
    if twice:
        raise MethodError(
            f"two of the summed methods bring the loss {', '.join(sorted(twice))}: "
            "sum methods that differ, for example hint+kd"
        )
    return replace(
        first,
        terms=first.terms + second.terms,
        student_taps=first.student_taps | second.student_taps,
        teacher_taps=first.teacher_taps | second.teacher_taps,
        extras=first.extras + second.extras,
        epochs=_longer(first.epochs, second.epochs),
        learning_rate=first.learning_rate or second.learning_rate,
        keep="last" if "last" in (first.keep, second.keep) else "best",
    )


def _longer(first: int | None, second: int | None) -> int | None:
    return max(first, second) if first and second else first or second


def cross_entropy(batch: Batch, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of the labels and the student's logits, `[batch]`.

    Label smoothing mixes the one-hot target with the uniform one (Szegedy et al. 2016, eq. 7).
    """
    logits = batch.student["logits"]
    hard = keras.ops.sparse_categorical_crossentropy(batch.labels, logits, from_logits=True)
    if label_smoothing == 0.0:
        return hard
    uniform = -keras.ops.mean(keras.ops.log_softmax(logits, axis=-1), axis=-1)
    return (1.0 - label_smoothing) * hard + label_smoothing * uniform


def with_labels(phase: Phase, label_smoothing: float = 0.0) -> Phase:
    """The task phase with the labels' cross-entropy added, unless a term "ce" weighs it already."""
    if any(term.name == "ce" for term in phase.terms):
        return phase
    term = Term("ce", lambda batch: cross_entropy(batch, label_smoothing))
    return replace(phase, terms=(term, *phase.terms), student_taps=phase.student_taps | {"logits"})
