"""Whether a fine-tuned INT8 file is good enough, and what is recorded of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from hintlite.pipeline.app.run.qat.job import Tuned, conversion_failures, facts
from hintlite.pipeline.runs.layout import FLOAT, FLOAT_CONTROL, INT8, INT8_PTQ
from hintlite.pipeline.settings.quantize import QATConfig, QuantizeConfig

if TYPE_CHECKING:
    import keras
    import numpy as np

    from hintlite.deploy.convert.verify import Figures, Verification
    from hintlite.deploy.interpret.runtime import Samples
    from hintlite.pipeline.data.training_data import TrainingData

TITLES = {
    FLOAT: "float",
    FLOAT_CONTROL: "float trained on as long",
    INT8_PTQ: "INT8 by calibration",
    INT8: "INT8 fine-tuned",
}


@dataclass(frozen=True, eq=False)
class Before:
    """A trained network, and what calibration makes of it.

    Attributes:
        network: image to logits or probabilities.
        files: precision -> .tflite; FLOAT and INT8 are among them.
        calibrated: that INT8 file beside float.
        forbidden: weights that must not be in a file of it.
    """

    network: keras.Model
    files: dict[str, bytes]
    calibrated: Verification
    forbidden: Mapping[str, Any] = field(default_factory=dict)


def acceptance_report(
    data: TrainingData,
    before: Before,
    tuned: Tuned,
    control: Tuned | None,
    bounds: QuantizeConfig,
    config: QATConfig,
) -> dict[str, Any]:
    """What verify.json says of a fine-tuned file.

    The file must pass the checks of a calibrated one, against the fine-tuned weights in float;
    must be within the bound of accuracy, against the network that the fine-tuning began with;
    and must compute what the fake-quantized network computes.

    Returns:
        Plain data. "figures" compares with the network before the fine-tuning; "failures" has a
        sentence for each thing that is wrong, and "ok" says that there is none.
    """
    samples, labels = data.fed(data.validation), data.labels[data.validation]
    checked = _verify(before, tuned, samples, labels, bounds)
    figures = _against(before, tuned.content, samples, labels)
    failures = [
        *checked.failures,
        *_lost(figures, bounds.max_accuracy_drop),
        *conversion_failures(tuned.outcome, config),
    ]
    report = checked.to_dict() | {"ok": not failures, "failures": failures}
    report["bounds"]["max_accuracy_drop"] = bounds.max_accuracy_drop / 100
    report["figures"] = asdict(figures)
    report["qat"] = {
        "validation_accuracy": _accuracies(figures, before, control),
        **facts(tuned.outcome),
        "max_difference_steps_allowed": config.max_difference_steps,
        "min_agreement_allowed": config.min_conversion_agreement,
        "against_its_own_weights": None if checked.figures is None else asdict(checked.figures),
        "control": None if control is None else facts(control.outcome),
        "calibrated": before.calibrated.to_dict(),
    }
    return report


def sentence(report: Mapping[str, Any]) -> str:
    """What `acceptance_report` returned, for the terminal."""
    accuracy = report["qat"]["validation_accuracy"]
    listed = [f"{title} {100 * accuracy[p]:.2f} %" for p, title in TITLES.items() if p in accuracy]
    return f"on the validation part: {', '.join(listed)}"


def _verify(
    before: Before, tuned: Tuned, samples: Samples, labels: np.ndarray, bounds: QuantizeConfig
) -> Verification:
    from hintlite.deploy.convert.convert import to_float32
    from hintlite.deploy.convert.verify import Bounds, verify

    network = tuned.network()
    return verify(
        network,
        (to_float32(network), tuned.content),
        samples,
        labels,
        # Accuracy is held against the network before the fine-tuning.
        bounds=Bounds(bounds.min_agreement, bounds.max_float_error, max_accuracy_drop=1.0),
        forbidden=before.forbidden,
    )


def _against(before: Before, content: bytes, samples: Samples, labels: np.ndarray) -> Figures:
    from hintlite.deploy.convert.keras_logits import keras_logits
    from hintlite.deploy.convert.verify import compare_logits
    from hintlite.deploy.interpret.runtime import Runner

    int8 = Runner(content)
    return compare_logits(
        keras_logits(before.network, samples),
        Runner(before.files[FLOAT]).predict(samples),
        int8.predict(samples),
        labels,
        int8.output.scale,
    )


def _lost(figures: Figures, points: float) -> list[str]:
    drop = 100 * (figures.keras_accuracy - figures.int8_accuracy)
    if drop <= points:
        return []
    return [
        f"INT8 loses {drop:.2f} points of accuracy against the float network before the "
        f"fine-tuning, expected at most {points:g}."
    ]


def _accuracies(figures: Figures, before: Before, control: Tuned | None) -> dict[str, float]:
    accuracy = {FLOAT: figures.float_accuracy, INT8: figures.int8_accuracy}
    if before.calibrated.figures is not None:
        accuracy[INT8_PTQ] = before.calibrated.figures.int8_accuracy
    if control is not None:
        accuracy[FLOAT_CONTROL] = control.outcome.accuracy
    return accuracy
