"""Building files of mixed precision and seeing what they are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.convert.checks import ConversionError
from hintlite.deploy.interpret.runtime import Runner, Samples
from hintlite.deploy.ptq.edge_quantizer import quantize_file, supports
from hintlite.deploy.ptq.histogram import Histogram
from hintlite.deploy.ptq.plan import following
from hintlite.deploy.ptq.precision import FLOAT, INT4, INT8, INT16, Precision, weight
from hintlite.deploy.ptq.static import Choices, check_biases, tensor_ranges
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import Array, Graph, ModelError, Operator

LADDER = (INT4, INT8, INT16, FLOAT)  # from the smallest weights to the least error


@dataclass(frozen=True)
class Outcome:
    """What one file is worth.

    Attributes:
        content: its bytes; empty where it could not be made or run.
        accuracy: share of the samples; 0 where there is no file.
        noise: squared error of the logits over the squared logits of the float file; infinity
            where there is no file.
        problem: why there is no file, else "".
    """

    content: bytes
    accuracy: float
    noise: float
    problem: str = ""


class Bench:
    """Makes files from choices for the operators with weights, and measures them.

    Args:
        content: the bytes of a float32 `.tflite` file.
        seen: what `observe` found on the calibration samples.
        choices: estimators of the ranges.
    """

    def __init__(self, content: bytes, seen: Mapping[str, Histogram], choices: Choices) -> None:
        self.content, self.seen, self.choices = content, seen, choices
        self.graph: Graph = read_model(content).main
        self.weighted = [o for o in self.graph.operators if weight(self.graph, o) is not None]
        self._float: dict[int, Array] = {}  # number of samples -> logits of the float file

    def ladder(self, operator: Operator) -> tuple[Precision, ...]:
        """The precisions that an operator can be given, the smallest weights first."""
        return tuple(each for each in LADDER if supports(operator.name, each))

    def weight_bytes(self, operator: Operator, precision: Precision) -> int:
        """What the weights of an operator take."""
        tensor = weight(self.graph, operator)
        return 0 if tensor is None else (tensor.elements * precision.weight_bits + 7) // 8

    def make(self, chosen: Mapping[int, Precision]) -> bytes:
        """The file with these precisions, operator index -> precision.

        Raises:
            ConversionError: it cannot be made.
        """
        plan = following(self.graph, chosen, supports)
        ranges = tensor_ranges(self.graph, plan, self.seen, self.choices)
        made = quantize_file(self.content, plan, ranges, self.choices.weight_ranges)
        check_biases(read_model(made), self.choices.weight_ranges)
        return made

    def outcome(
        self,
        chosen: Mapping[int, Precision],
        samples: Samples,
        labels: NDArray[np.int64],
    ) -> Outcome:
        """What the file with these precisions is worth on some samples.

        Args:
            chosen: operator index -> precision.
            samples: [n, h, w, c] float32, normalised as in training.
            labels: [n] class indices.
        """
        try:
            made = self.make(chosen)
            logits = Runner(made).predict(samples)
        except (ConversionError, ModelError) as error:
            return Outcome(b"", 0.0, np.inf, str(error))
        exact = self.float_logits(samples)
        noise = float(np.sum((logits - exact) ** 2) / max(float(np.sum(exact**2)), 1e-30))
        return Outcome(made, accuracy(logits, labels), noise)

    def float_logits(self, samples: Samples) -> Array:
        """Of the float file; kept for each number of samples."""
        if len(samples) not in self._float:
            self._float[len(samples)] = Runner(self.content).predict(samples)
        return self._float[len(samples)]


def accuracy(logits: Array, labels: NDArray[np.int64]) -> float:
    """Share of the samples whose largest logit is that of their class."""
    return float(np.mean(np.argmax(logits, axis=1) == labels))
