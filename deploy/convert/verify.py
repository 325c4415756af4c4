"""Is the INT8 file still the network that was trained? Figures on validation data, and bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.convert.keras_logits import keras_logits
from hintlite.deploy.interpret.runtime import Progress, Runner, Samples
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.full_integer import full_integer_faults
from hintlite.deploy.tflite.graph import Array
from hintlite.deploy.tflite.inspect import inspect
from hintlite.deploy.tflite.weights import check_weights
from hintlite.errors import DataError, SettingsError

# What the second file must be, as messages write it.
WORDS = {"int8": "INT8", "int16x8": "INT16x8", "mixed": "Mixed"}


@dataclass(frozen=True)
class Bounds:
    """What an INT8 file must keep to.

    Attributes:
        min_agreement: smallest share of samples with the same arg-max in Keras and in INT8.
        max_float_error: largest |Keras - float TFLite| of any logit, as a share of the range
            (largest minus smallest) of Keras' logits on these samples; relative, because logits
            have no scale of their own. Conversion alone leaves about 1e-6.
        max_accuracy_drop: largest loss of accuracy from Keras to INT8, as a share of samples.
    """

    min_agreement: float = 0.95
    max_float_error: float = 1e-3
    max_accuracy_drop: float = 0.03

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 <= value <= 1:
                raise SettingsError(f"Bounds.{name} must lie between 0 and 1, got {value}.")


@dataclass(frozen=True)
class Figures:
    """What was measured.

    Attributes:
        agreement: share of samples with the same arg-max in Keras and in INT8.
        agreement_interval: its 95 % Wilson interval.
        logits_range: largest minus smallest logit of Keras.
        max_float_error: largest |Keras - float TFLite|, as a share of `logits_range`.
        max_int8_error: largest |Keras - INT8|, in logits.
        max_int8_error_steps: the same in steps of the INT8 output's scale.
        keras_accuracy, float_accuracy, int8_accuracy: shares of samples.
    """

    agreement: float
    agreement_interval: tuple[float, float]
    logits_range: float
    max_float_error: float
    max_int8_error: float
    max_int8_error_steps: float
    keras_accuracy: float
    float_accuracy: float
    int8_accuracy: float


@dataclass(frozen=True)
class Verification:
    """The outcome: a sentence in `failures` for each thing that is wrong.

    `figures` is None where a file's input or output do not fit the student, so that nothing
    could be compared.
    """

    samples: int
    kernels: str
    bounds: Bounds
    figures: Figures | None
    failures: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True where nothing is wrong."""
        return not self.failures

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain dicts, lists, numbers and strings, for JSON."""
        return {"ok": self.ok, **asdict(self)}


def verify(  # noqa: PLR0913 - keyword arguments, one for each thing that may differ
    student: Any,
    files: tuple[bytes, bytes],
    samples: Samples,
    labels: NDArray[Any],
    *,
    forbidden: Mapping[str, Array | Sequence[Array]] | None = None,
    bounds: Bounds | None = None,
    kernels: str = "xnnpack",
    progress: Progress | None = None,
    form: str = "int8",
    clipped: bool = False,
) -> Verification:
    """Compare Keras, the float32 file and the INT8 file on validation data.

    Args:
        student: functional `keras.Model`, [batch, h, w, c] -> logits [batch, classes].
        files: the bytes of its float32 file and of its INT8 file.
        samples: [n, h, w, c] float32, normalised as in training.
        labels: [n] class indices.
        forbidden: weights of networks that must not be in the files, see `check_weights`.
        bounds: what to keep to; default `Bounds()`.
        kernels: that both files run on, see `Runner`.
        progress: called with (samples done, samples in all) while the INT8 file runs.
        form: what the second file must be: "int8" or "int16x8" (integers throughout), or "mixed"
            (any precision an operator).
        clipped: see `check_weights`.

    Raises:
        DataError: no samples, or another number of labels than of samples.
        ModelError: a file is damaged, or the kernels cannot run it.
    """
    if len(samples) == 0 or labels.shape != (len(samples),):
        raise DataError(
            f"Expected at least 1 sample and one label a sample, got {len(samples)} samples and "
            f"labels of shape {list(labels.shape)}."
        )
    limits = bounds or Bounds()
    failures = [
        f"{name} file: {problem}"
        for name, content in zip(("Float32", WORDS[form]), files, strict=True)
        for problem in check_weights(content, student, forbidden, clipped)
    ]
    failures += [f"{WORDS[form]} file: {reason}" for reason in _form_faults(files[1], form)]
    figures = None
    if all(_fits(content, student) for content in files):
        runners = [Runner(content, kernels) for content in files]
        figures = compare_logits(
            keras_logits(student, samples),
            runners[0].predict(samples),
            runners[1].predict(samples, progress),
            labels,
            runners[1].output.scale,
        )
        failures += bound_failures(figures, limits, len(samples))
    return Verification(len(samples), kernels, limits, figures, tuple(failures))


def _form_faults(content: bytes, form: str) -> tuple[str, ...]:
    """Why a file is not of the form that it should have."""
    if form == "mixed":
        return ()
    activations = {"int8": "INT8", "int16x8": "INT16"}[form]
    return tuple(str(fault) for fault in full_integer_faults(read_model(content), activations))


def _fits(content: bytes, student: Any) -> bool:
    """One input and one output, of the student's shapes."""
    info = inspect(content)
    found = [tensor.shape[1:] for tensor in (*info.inputs, *info.outputs)]
    return found == [tuple(student.input_shape[1:]), tuple(student.output_shape[1:])]


def compare_logits(
    keras_logits: Array,
    float_logits: Array,
    int8_logits: Array,
    labels: NDArray[Any],
    int8_step: float | None,
) -> Figures:
    """The figures of a verification.

    Args:
        keras_logits, float_logits, int8_logits: [n, classes] of the three forms, dequantized.
        labels: [n] class indices.
        int8_step: size of one step of the INT8 output in logits, None for a float output.
    """
    spread = float(np.max(keras_logits) - np.min(keras_logits))
    same = int(np.sum(np.argmax(keras_logits, 1) == np.argmax(int8_logits, 1)))
    int8_error = float(np.max(np.abs(keras_logits - int8_logits)))
    return Figures(
        agreement=same / len(labels),
        agreement_interval=wilson_interval(same, len(labels)),
        logits_range=spread,
        max_float_error=float(np.max(np.abs(keras_logits - float_logits))) / max(spread, 1e-12),
        max_int8_error=int8_error,
        max_int8_error_steps=int8_error / int8_step if int8_step else 0.0,
        keras_accuracy=_accuracy(keras_logits, labels),
        float_accuracy=_accuracy(float_logits, labels),
        int8_accuracy=_accuracy(int8_logits, labels),
    )


def bound_failures(figures: Figures, bounds: Bounds, samples: int) -> list[str]:
    """One sentence a broken bound; a figure that is NaN breaks its bound."""
    failures = []
    if not figures.agreement >= bounds.min_agreement:
        low, high = figures.agreement_interval
        failures.append(
            f"Keras and INT8 agree on {figures.agreement:.2%} of {samples} samples (95 % interval "
            f"{low:.2%} to {high:.2%}), expected at least {bounds.min_agreement:.2%}: calibrate "
            "with more samples of the training data, or fine-tune with quantization in the loop."
        )
    if not figures.max_float_error <= bounds.max_float_error:
        failures.append(
            f"A logit of the float32 file differs from Keras by {figures.max_float_error:.3g} of "
            f"the logits' range, expected at most {bounds.max_float_error:.3g}: the file does not "
            "hold this network."
        )
    drop = figures.keras_accuracy - figures.int8_accuracy
    if not drop <= bounds.max_accuracy_drop:
        failures.append(
            f"INT8 loses {100 * drop:.2f} points of accuracy ({figures.keras_accuracy:.2%} in "
            f"Keras, {figures.int8_accuracy:.2%} in INT8), expected at most "
            f"{100 * bounds.max_accuracy_drop:.2f}."
        )
    return failures


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """95 % score interval of a share (Wilson 1927, J. Am. Stat. Assoc. 22, p. 209).

    Args:
        successes: 0 to `trials`.
        trials: at least 1.
    """
    from scipy.stats import binomtest

    interval = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def _accuracy(logits: Array, labels: NDArray[Any]) -> float:
    return float(np.mean(np.argmax(logits, axis=1) == labels))
