"""Whether a converted file still does what the model did, on samples that set no range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hintlite.deploy.convert.verify import wilson_interval
from hintlite.deploy.interpret.runtime import TensorSpec
from hintlite.pipeline.app.convert.limits import Limits
from hintlite.pipeline.app.convert.task import Task

TITLE = {"classes": "chooses", "binary": "chooses"}


@dataclass(frozen=True)
class Output:
    """One output of the file beside the model's.

    Attributes:
        name: of the output.
        step: size of one step of it; None for a float output.
        float_error: largest difference of the float file, a share of the output's range.
        max_error: largest difference of the file.
        max_error_steps: the same in steps.
        error: root mean square of the difference, a share of the output's standard deviation.
    """

    name: str
    step: float | None
    float_error: float
    max_error: float
    max_error_steps: float | None
    error: float


@dataclass(frozen=True)
class Verdict:
    """What was found; a sentence in `failures` for each thing that is wrong.

    Attributes:
        samples: how many judged.
        outputs: one entry an output.
        clipped: for each input the share of its values beyond the range of the file's.
        agreement: share of the samples on which model and file choose alike; None without a choice.
        agreement_interval: its 95 % Wilson interval.
        accuracy: of "model", "float" and "file", with labels that can be chosen.
        mean_absolute_error: of the same three, with labels that are numbers.
    """

    samples: int
    outputs: tuple[Output, ...]
    clipped: tuple[float, ...]
    agreement: float | None
    agreement_interval: tuple[float, float] | None
    accuracy: dict[str, float] | None
    mean_absolute_error: dict[str, float] | None
    failures: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {"ok": not self.failures, **asdict(self)}


Answers = Sequence[np.ndarray]


def judged(
    names: Sequence[str],
    found: tuple[Answers, Answers, Answers],
    steps: Sequence[float | None],
    clipped: Sequence[float],
    task: Task,
    labels: np.ndarray | None,
    limits: Limits,
) -> Verdict:
    """Compares the answers of the model, of the float file and of the file.

    Args:
        names: of the outputs.
        found: the three, each one array [n, ...] an output, as real numbers.
        steps: of the file's outputs.
        clipped: see `Verdict`.
        task: how an answer is read.
        labels: of the samples, or None.
        limits: what to keep to.
    """
    outputs = tuple(
        _output(name, (found[0][n], found[1][n], found[2][n]), steps[n])
        for n, name in enumerate(names)
    )
    agreement, interval, accuracy, absolute = None, None, None, None
    if task.kind != "values":
        chosen = [task.choices(each) for each in found]
        same = int(np.sum(chosen[0] == chosen[2]))
        agreement, interval = same / len(chosen[0]), wilson_interval(same, len(chosen[0]))
        if labels is not None:
            shares = (float(np.mean(each == labels)) for each in chosen)
            accuracy = dict(zip(("model", "float", "file"), shares, strict=True))
    elif labels is not None:
        errors = (
            float(np.mean(np.abs(each[task.output] - labels.reshape(each[task.output].shape))))
            for each in found
        )
        absolute = dict(zip(("model", "float", "file"), errors, strict=True))
    count = len(found[0][0])
    verdict = Verdict(count, outputs, tuple(clipped), agreement, interval, accuracy, absolute)
    return Verdict(**{**_shallow(verdict), "failures": tuple(_failures(verdict, limits))})


def _shallow(verdict: Verdict) -> dict[str, Any]:
    return {name: getattr(verdict, name) for name in Verdict.__dataclass_fields__}


def _output(
    name: str, found: tuple[np.ndarray, np.ndarray, np.ndarray], step: float | None
) -> Output:
    model, plain, file = found
    spread = max(float(np.ptp(model)), 1e-12)
    error = file.astype(np.float64) - model
    largest = float(np.max(np.abs(error)))
    return Output(
        name=name,
        step=step,
        float_error=float(np.max(np.abs(plain - model))) / spread,
        max_error=largest,
        max_error_steps=largest / step if step else None,
        error=float(np.sqrt(np.mean(error**2)) / max(float(np.std(model)), 1e-12)),
    )


def _failures(verdict: Verdict, limits: Limits) -> list[str]:
    failures = []
    for each in verdict.outputs:
        if not each.float_error <= limits.max_float_error:
            failures.append(
                f"the float file differs from the model by {each.float_error:.3g} of the range of "
                f"output {each.name!r}, expected at most {limits.max_float_error:.3g}: it does not "
                "hold this model"
            )
        if verdict.agreement is None and not each.error <= limits.max_error:
            failures.append(
                f"output {each.name!r} is off by {each.error:.2%} of its standard deviation (root "
                f"mean square), expected at most {limits.max_error:.2%}: calibrate with more "
                "samples (--calibration_samples), or take --precision int16x8, or a wider "
                "--max_error"
            )
    if verdict.agreement is not None and not verdict.agreement >= limits.min_agreement:
        low, high = verdict.agreement_interval or (0.0, 1.0)
        failures.append(
            f"model and file choose alike on {verdict.agreement:.2%} of {verdict.samples} samples "
            f"(95 % interval {low:.2%} to {high:.2%}), expected at least "
            f"{limits.min_agreement:.2%}: calibrate with more samples, take --precision int16x8, "
            "or fine-tune with `hintlite qat`"
        )
    if verdict.accuracy is not None:
        drop = 100 * (verdict.accuracy["model"] - verdict.accuracy["file"])
        if not drop <= limits.max_drop:
            failures.append(
                f"the file loses {drop:.2f} points of accuracy, expected at most "
                f"{limits.max_drop:g}: see `hintlite quantize FLOAT.tflite FILE.tflite --explain`"
            )
    failures += [
        f"{share:.2%} of the values of input {place} lie beyond the range that calibration saw, "
        f"expected at most {limits.max_clipped:.2%}: calibrate with samples like those that judge"
        for place, share in enumerate(verdict.clipped)
        if share > limits.max_clipped
    ]
    return failures


def clipped_share(values: np.ndarray, spec: TensorSpec) -> float:
    """The share of values that the input of a file cannot stand for.

    Args:
        values: real numbers, as the file takes them.
        spec: of its input.
    """
    if spec.scale is None or spec.zero_point is None:
        return 0.0
    limits = np.iinfo(spec.dtype)
    low, high = ((end - spec.zero_point) * spec.scale for end in (limits.min, limits.max))
    beyond = (values < low - spec.scale / 2) | (values > high + spec.scale / 2)
    return float(np.mean(beyond))
