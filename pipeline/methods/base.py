"""The protocol of a distillation method, and the sum of several.

A method says what is minimised; how it is minimised is the Distiller's business. A method owns the
layers that it needs beside the student (regressors, projections): they are trained with it and
left behind with it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, runtime_checkable

import keras

from hintlite.errors import WRONG_USE, HintliteError
from hintlite.models.taps import subnetwork

if TYPE_CHECKING:
    from hintlite.pipeline.settings.run import RunConfig

Tensor = Any
Shapes = Mapping[str, tuple[int | None, ...]]

# Names of taps -> the teacher's outputs for the training samples, unchanged, a batch at a time.
TeacherOutputs = Callable[[Collection[str]], Iterable[Mapping[str, Tensor]]]

PHASES = ("pretrain", "task")
LABELS = "ce"  # name of the term that compares the student with the labels


class MethodError(HintliteError):
    """A method that does not fit the pair of networks it was given."""

    exit_code = WRONG_USE


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
    """A weight that rises in a straight line over the first epochs, then stays.

    The first epoch has the first step of the rise, as in ReviewKD's reference code, which counts
    epochs from 1 in `min(epoch / warmup, 1)`: from 0 on, a short training would learn nothing.

    Args:
        weight: what it rises to.
        epochs: how many epochs the rise takes, the last of them with the full weight; at most over
            all epochs of the phase. 0 and 1: no rise.
    """

    weight: float
    epochs: int

    def at(self, epoch: int, epochs: int) -> float:
        """The weight in `epoch` (from 0) of `epochs`."""
        rise = max(min(self.epochs, epochs), 1)
        return self.weight * min((epoch + 1) / rise, 1.0)


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

    @classmethod
    def of(cls, config: RunConfig, teacher: keras.Model, student: keras.Model) -> Self:
        """Makes the method; as it stands here, one that needs no settings.

        Args:
            config: the run's settings.
            teacher: network with taps.
            student: network with taps.
        """
        del config, teacher, student
        return cls()

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

    def remarks(self) -> list[str]:
        """What the user should know before the training, a sentence each."""
        return []

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

    The order in which they are named changes nothing. Where two methods give a phase its own number
    of epochs, the larger one holds, and of two learning rates the lower one, which both can bear;
    `remarks` says so. A phase ends with its last epoch if one of them asks for it.

    Args:
        methods: two or more; each keeps its own extra layers.
    """

    def __init__(self, methods: Sequence[Method]) -> None:
        # One order, since initial weights are drawn and losses added in it.
        self.methods = tuple(sorted(methods, key=lambda method: type(method).__qualname__))

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

    def remarks(self) -> list[str]:
        """Which epochs and learning rate hold where two methods differ."""
        found = [remark for method in self.methods for remark in method.remarks()]
        for key, merged in self.phases().items():
            own = [m.phases()[key] for m in self.methods if key in m.phases()]
            epochs = sorted({phase.epochs for phase in own if phase.epochs})
            rates = sorted({phase.learning_rate for phase in own if phase.learning_rate})
            if len(epochs) > 1:
                found.append(
                    f"the {key} phase takes {merged.epochs} epochs, the most of what the summed "
                    f"methods ask for ({_listed(epochs)})"
                )
            if len(rates) > 1:
                found.append(
                    f"the {key} phase has the learning rate {merged.learning_rate:g}, the lowest "
                    f"of what the summed methods ask for ({_listed(rates)})"
                )
        return found

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
    rates = (first.learning_rate, second.learning_rate)
    return replace(
        first,
        terms=first.terms + second.terms,
        student_taps=first.student_taps | second.student_taps,
        teacher_taps=first.teacher_taps | second.teacher_taps,
        extras=first.extras + second.extras,
        epochs=max((n for n in (first.epochs, second.epochs) if n), default=None),
        learning_rate=min((rate for rate in rates if rate), default=None),
        keep="last" if "last" in (first.keep, second.keep) else "best",
    )


def _listed(numbers: Iterable[float]) -> str:
    return " and ".join(f"{number:g}" for number in numbers)


def cross_entropy(batch: Batch, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of the labels and the student's logits, `[batch]`.

    Label smoothing mixes the one-hot target with the uniform one (Szegedy et al. 2016, eq. 7).
    """
    logits = batch.student["logits"]
    hard = label_entropy(batch.labels, logits)
    if label_smoothing == 0.0:
        return hard
    uniform = -keras.ops.mean(keras.ops.log_softmax(logits, axis=-1), axis=-1)
    uniform = keras.ops.where(is_labelled(batch.labels), uniform, 0.0)
    return (1.0 - label_smoothing) * hard + label_smoothing * uniform


def label_entropy(labels: Tensor, logits: Tensor) -> Tensor:
    """Cross-entropy of labels and logits, `[batch]`; 0 for a sample without a label."""
    known = is_labelled(labels)
    safe = keras.ops.where(known, labels, 0)
    loss = keras.ops.sparse_categorical_crossentropy(safe, logits, from_logits=True)
    return keras.ops.where(known, loss, 0.0)


def is_labelled(labels: Tensor) -> Tensor:
    """Which samples have a label, bool `[batch]`: NO_LABEL of pipeline/data/few_labels.py is -1."""
    return labels >= 0


def with_labels(phase: Phase, label_smoothing: float = 0.0) -> Phase:
    """The task phase with the labels' cross-entropy added, unless a term "ce" weighs it already."""
    if any(term.name == LABELS for term in phase.terms):
        return phase
    term = Term(LABELS, lambda batch: cross_entropy(batch, label_smoothing))
    return replace(phase, terms=(term, *phase.terms), student_taps=phase.student_taps | {"logits"})
