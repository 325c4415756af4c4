"""Does the simulation do what the INT8 file does? Otherwise it explains nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hintlite.deploy.explain.regain import squared_error
from hintlite.deploy.tflite.graph import Array

LEAST_SAME_CHOICE = 0.98
MOST_MISSED = 1.0  # an unrelated error of the same size would miss twice the error
_NEAR_STEPS = 2  # LiteRT's own kernels differ by as much on one file


@dataclass(frozen=True)
class Agreement:
    """The simulation with everything rounded, beside the INT8 file, on the same samples.

    Attributes:
        same_choice: share of samples with the same arg-max.
        equal_outputs: share of output values that are equal.
        largest_steps: largest difference of an output value, in steps of its scale; None for an
            output that is not quantized.
        missed_error: squared difference of the logits of file and simulation, as a share of that
            of file and float: what of the file's error the simulation does not show. None where
            the file has no error.
        trusted: whether they agree well enough to say what an operator costs.
    """

    same_choice: float
    equal_outputs: float
    largest_steps: float | None
    missed_error: float | None
    trusted: bool


def agreement(
    exact: Array, file_logits: Array, simulated_logits: Array, step: float | None
) -> Agreement:
    """Compare the logits of the file and of the simulation.

    Args:
        exact: [n, classes] of the float network.
        file_logits, simulated_logits: [n, classes], as real numbers.
        step: size of one step of the INT8 output; None where it is not quantized.
    """
    same = np.argmax(file_logits, axis=1) == np.argmax(simulated_logits, axis=1)
    difference = np.abs(file_logits.astype(np.float64) - simulated_logits.astype(np.float64))
    error = squared_error(exact, file_logits)
    missed = squared_error(file_logits, simulated_logits) / error if error > 0 else None
    steps = float(np.round(np.max(difference) / step)) if step else None
    follows = float(np.mean(same)) >= LEAST_SAME_CHOICE
    near = steps is not None and steps <= _NEAR_STEPS
    return Agreement(
        same_choice=float(np.mean(same)),
        equal_outputs=float(np.mean(difference <= (0.5 * step if step else 0.0))),
        largest_steps=steps,
        missed_error=missed,
        trusted=follows and (near or missed is None or missed <= MOST_MISSED),
    )
