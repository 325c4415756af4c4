"""What an explanation holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hintlite.deploy.explain.agreement import Agreement
from hintlite.deploy.explain.noise import TensorFigures
from hintlite.deploy.explain.regain import Regained
from hintlite.deploy.explain.weights import WeightFigures

SCHEMA = "hintlite-explanation/1"


@dataclass(frozen=True)
class Explained:
    """One operator of the INT8 file, or its input.

    Attributes:
        index: of the operator; -1 for the model's input.
        operator: its kind, "CONV_2D"; "INPUT" for the model's input.
        tensor: name of its first output.
        layer: the part of that name that tells the layer.
        output: figures of its first output.
        weights: figures of its kernel; None without weights.
        regained: when it alone is kept in float; None for an operator that adds no error of its
            own because it only moves or compares integers.
    """

    index: int
    operator: str
    tensor: str
    layer: str
    output: TensorFigures
    weights: WeightFigures | None
    regained: Regained | None

    def __str__(self) -> str:
        """As sentences name it."""
        if self.index < 0:
            return "the model's input"
        return f"operator {self.index} ({self.operator}, {self.layer})"


@dataclass(frozen=True)
class Finding:
    """What the figures come to.

    Attributes:
        worst: index of the operator to look at first; None where there is nothing to look at.
        costs_accuracy: whether the samples show that it costs accuracy.
        sentence: for the user: what it costs, why, and what to try.
    """

    worst: int | None
    costs_accuracy: bool
    sentence: str


@dataclass(frozen=True)
class Explanation:
    """One INT8 file, explained.

    Attributes:
        samples: how many.
        labelled: False where accuracy counts the choices of the float file instead of labels.
        against: "float file", or "own weights" where the INT8 file does not hold the float file's.
        float_accuracy: share of samples, of the float file.
        reference_accuracy: the same of what the operators are compared with.
        reference_error: largest difference of a logit between the reference and the float file,
            as a share of the range of the logits; None against its own weights.
        int8_accuracy: of the INT8 file, with XNNPACK as everywhere else in hintlite.
        builtin_accuracy: of the INT8 file with LiteRT's built-in kernels, which alone show the
            tensors in between; where outputs tie, they may choose otherwise.
        simulated_accuracy: of its simulation with everything rounded.
        agreement: of the simulation with the file.
        operators: in the file's order, the input first.
        finding: what they come to.
        remarks: what did not match, a sentence each.
    """

    samples: int
    labelled: bool
    against: str
    float_accuracy: float
    reference_accuracy: float
    reference_error: float | None
    int8_accuracy: float
    builtin_accuracy: float
    simulated_accuracy: float
    agreement: Agreement
    operators: tuple[Explained, ...]
    finding: Finding
    remarks: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain dicts, lists, numbers and strings, for JSON."""
        return {"schema": SCHEMA, **asdict(self)}
