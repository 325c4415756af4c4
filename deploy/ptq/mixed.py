"""The smallest file within a bound of accuracy, with a precision for each operator.

Each operator with weights is first tried alone in each precision, all others in float (the scan).
Then every operator begins with its smallest weights, and is raised step by step, always where the
scan says that a byte takes away most noise, until validation accuracy is within the bound; the
number of steps is found by bisection. Last, operators are lowered again where the bound allows it,
alone or in exchange for another, so that in the end no single one can be lowered to a smaller file.
That is not a proof that there is no smaller one: there are as many files as precisions to the power
of operators.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.convert.checks import ConversionError
from hintlite.deploy.interpret.runtime import Progress, Samples
from hintlite.deploy.ptq.precision import FLOAT, INT16, Precision
from hintlite.deploy.ptq.trials import Bench, Outcome, accuracy

_WIDER_BYTES = 100
State = tuple[int, ...]  # for each operator with weights: its place on its ladder


@dataclass(frozen=True)
class Mixed:
    """The chosen file and how it was chosen.

    Attributes:
        content: its bytes.
        record: scan, choice and bound as plain data.
    """

    content: bytes
    record: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Bound:
    """What the file must keep to.

    Attributes:
        samples: [n, h, w, c] float32, validation data, normalised as in training.
        labels: [n] class indices.
        max_drop: largest loss of accuracy from the float file, a share of the samples.
        scan_samples: on how many of them, evenly taken, operators are tried alone.
    """

    samples: Samples
    labels: NDArray[np.int64]
    max_drop: float
    scan_samples: int


def choose(bench: Bench, bound: Bound, progress: Progress | None = None) -> Mixed:
    """Search.

    Args:
        bench: makes the files.
        bound: what they are held against.
        progress: called with (files tried, files to try as far as known).

    Raises:
        ConversionError: no file smaller than the float one is within the bound.
    """
    search = _Search(bench, bound, progress)
    scan = search.scan()
    search.raise_until_within(search.ascent())
    search.descend()
    best = search.best()
    outcome = search.tried[best]
    record = {
        "max_drop": bound.max_drop,
        "samples": len(bound.samples),
        "float_accuracy": search.float_accuracy,
        "float_bytes": len(bench.content),
        "accuracy": outcome.accuracy,
        "bytes": len(outcome.content),
        "files_tried": search.done,
        "choice": search.described(best),
        "scan_samples": len(search.scan_rows),
        "scan": scan,
    }
    return Mixed(outcome.content, record)


@dataclass(eq=False)
class _Search:
    bench: Bench
    bound: Bound
    progress: Progress | None
    tried: dict[State, Outcome] = field(default_factory=dict)
    done: int = 0

    def __post_init__(self) -> None:
        bench, bound = self.bench, self.bound
        self.ladders = [bench.ladder(operator) for operator in bench.weighted]
        self.rows = len(bound.samples)
        count = min(bound.scan_samples, self.rows)
        self.scan_rows = np.unique(np.linspace(0, self.rows - 1, count).round().astype(int))
        self.noise: dict[tuple[int, Precision], float] = {}
        self.float_accuracy = accuracy(bench.float_logits(bound.samples), bound.labels)
        trials = sum(len(ladder) - 1 for ladder in self.ladders)
        self.expected = trials + max(trials, 1).bit_length() + len(self.ladders)

    def scan(self) -> list[dict[str, Any]]:
        """Each operator alone in each precision: accuracy, noise and bytes of the file."""
        samples, labels = self.bound.samples[self.scan_rows], self.bound.labels[self.scan_rows]
        entries = []
        for place, operator in enumerate(self.bench.weighted):
            for precision in self.ladders[place]:
                if precision is FLOAT:
                    self.noise[place, precision] = 0.0
                    continue
                alone = self._alone(place, precision)
                outcome = self.bench.outcome(alone, samples, labels)
                self.noise[place, precision] = outcome.noise
                self._step()
                entries.append(
                    self._named(operator.index, precision)
                    | {
                        "accuracy": outcome.accuracy if outcome.content else None,
                        "noise_db": _decibels(outcome.noise),
                        "bytes": len(outcome.content) or None,
                        "problem": outcome.problem or None,
                    }
                )
        return entries

    def ascent(self) -> list[State]:
        """Files from the smallest weights to float, each with one operator raised.

        The next step is always the one that takes away most noise for a byte, over as many rungs
        as make it so (the lower convex hull of noise over bytes, all operators together). Noises
        of several operators add up, as those of independent roundings do.
        """
        states: list[State] = [(0,) * len(self.ladders)]
        while steps := list(self._raised(states[-1])):
            states.append(max(steps, key=lambda step: self._gain(states[-1], step)))
        return states

    def _raised(self, state: State) -> Iterator[State]:
        """All states with one operator on a higher rung."""
        for place, ladder in enumerate(self.ladders):
            for rung in range(state[place] + 1, len(ladder)):
                yield _with(state, place, rung)

    def _lowered(self, state: State) -> Iterator[State]:
        """All states with one operator on a lower rung."""
        for place, rung in enumerate(state):
            for lower in range(rung):
                yield _with(state, place, lower)

    def _gain(self, state: State, step: State) -> float:
        """Noise that a step takes away, for a byte."""
        if np.isinf(self._noise(state)):
            return -self._noise(step)
        more = self._bytes(step) - self._bytes(state)
        return (self._noise(state) - self._noise(step)) / max(more, 1)

    def _noise(self, state: State) -> float:
        """Of a file, as the scan foretells it."""
        ladders = enumerate(self.ladders)
        return sum(self.noise[place, ladder[state[place]]] for place, ladder in ladders)

    def _bytes(self, state: State) -> int:
        """Of a file's weights, and of the wider biases and QUANTIZE operators around INT16."""
        total = 0
        for place, operator in enumerate(self.bench.weighted):
            precision = self.ladders[place][state[place]]
            total += self.bench.weight_bytes(operator, precision)
            total += _WIDER_BYTES if precision is INT16 else 0
        return total

    def raise_until_within(self, states: list[State]) -> None:
        """Finds the first of the states within the bound, by bisection; the last one is float."""
        low, high = 0, len(states) - 1
        while low < high:
            middle = (low + high) // 2
            if self._within(states[middle]):
                high = middle
            else:
                low = middle + 1
        self._within(states[high])

    def descend(self) -> None:
        """Lowers single operators of the best file, or one in exchange for another, while it can.

        What the scan foretells the least noise of is tried first; of the exchanges only as many
        as there are operators.
        """
        state = None
        while state != (state := self.best()):
            alone = sorted(self._lowered(state), key=self._noise)
            exchanged = {
                other
                for raised in self._raised(state)
                for other in self._lowered(raised)
                if self._bytes(other) < self._bytes(state)
            }
            likely = sorted(exchanged - set(alone), key=self._noise)[: len(self.ladders)]
            for other in (*alone, *likely):
                if other not in self.tried and self._within(other) and self.best() != state:
                    break

    def best(self) -> State:
        """The smallest file within the bound.

        Raises:
            ConversionError: there is none below the size of the float file.
        """
        within = [state for state, outcome in self.tried.items() if self._fits(outcome)]
        best = min(within, key=lambda state: len(self.tried[state].content), default=None)
        if best is None or len(self.tried[best].content) >= len(self.bench.content):
            raise ConversionError(self._none())
        return best

    def _none(self) -> str:
        size = len(self.bench.content)
        made = [outcome for outcome in self.tried.values() if outcome.content]
        smaller = [each for each in made if len(each.content) < size]
        near = max(smaller, key=lambda each: each.accuracy, default=None)
        nearest = (
            f"the nearest of {len(smaller)} files has {near.accuracy:.2%} with "
            f"{len(near.content):,} bytes"
            if near
            else "in a network this small, scales and QUANTIZE operators outweigh what is saved"
        )
        return (
            f"No mixed file that is smaller than the float one ({size:,} bytes) "
            f"stays within {100 * self.bound.max_drop:g} points of its "
            f"{self.float_accuracy:.2%} on {self.rows} validation samples: {nearest}. Raise "
            "quantize.max_drop, or fine-tune the network."
        )

    def described(self, state: State) -> list[dict[str, Any]]:
        """The choice, operator by operator."""
        return [
            self._named(operator.index, self.ladders[place][state[place]])
            for place, operator in enumerate(self.bench.weighted)
        ]

    def _named(self, index: int, precision: Precision) -> dict[str, Any]:
        operator = self.bench.graph.operators[index]
        return {
            "operator": index,
            "name": operator.name,
            "tensor": self.bench.graph.tensors[operator.outputs[0]].name,
            "precision": precision.name,
        }

    def _alone(self, place: int, precision: Precision) -> dict[int, Precision]:
        chosen = dict.fromkeys((operator.index for operator in self.bench.weighted), FLOAT)
        return chosen | {self.bench.weighted[place].index: precision}

    def _within(self, state: State) -> bool:
        if state not in self.tried:
            chosen: Mapping[int, Precision] = {
                operator.index: self.ladders[place][state[place]]
                for place, operator in enumerate(self.bench.weighted)
            }
            self.tried[state] = self.bench.outcome(chosen, self.bound.samples, self.bound.labels)
            self._step()
        return self._fits(self.tried[state])

    def _fits(self, outcome: Outcome) -> bool:
        lost = self.float_accuracy - outcome.accuracy
        return bool(outcome.content) and lost <= self.bound.max_drop + 1e-9

    def _step(self) -> None:
        self.done += 1
        self.expected = max(self.expected, self.done + 1)
        if self.progress:
            self.progress(self.done, self.expected)


def _with(state: State, place: int, rung: int) -> State:
    return (*state[:place], rung, *state[place + 1 :])


def _decibels(noise: float) -> float | None:
    """Signal to noise of the logits; None where there is no file, or no noise at all."""
    return -10 * log10(noise) if 0 < noise < np.inf else None
