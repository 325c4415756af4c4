"""INT8 conversion, and fine-tuning with quantization in the loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hintlite.choices import check_choices
from hintlite.pipeline.settings.base import require

QuantizeMethod = Literal["ptq", "qat", "mixed"]


@dataclass(frozen=True)
class QuantizeConfig:
    """INT8 conversion, and what the result must satisfy on the validation part.

    Args:
        min_agreement: share of validation samples on which INT8 and float choose the same class.
        max_float_error: largest difference of a logit between Keras and the float .tflite,
            relative to the range of the logits.
        max_accuracy_drop: largest loss of validation accuracy from float to INT8, in points.
        float16: also write a float16 file (phones, GPU delegates).
        dynamic_range: also write a file with int8 weights and float activations.
        method: of the students; "ptq" calibrates after training, "qat" fine-tunes with quantization
            in the loop (settings qat), "mixed" takes the smallest file found within max_drop, with
            a precision for each operator. The teacher is always calibrated.
        ranges: of activations, from the calibration samples: minmax, percentile or mse.
        percentile: the share of a tensor's values that the range of this name holds, in percent.
        weight_ranges: minmax, octav (Sakr et al. 2022) or mse.
        activations: "int8", or "int16" (with 8-bit weights: int16x8).
        weights_bits: 8, or 4 for convolutions and dense layers; depthwise ones keep 8.
        equalize: even out the ranges of channels from layer to layer first (Nagel et al. 2019).
        relu6: with equalize: "skip" pairs with a ReLU6 between them, or "replace" it by ReLU,
            which is refused where it changes the network.
        max_drop: of "mixed": largest loss of validation accuracy from float, in points.
        scan_samples: of "mixed": validation samples on which each operator is tried alone.
    """

    min_agreement: float = 0.95
    max_float_error: float = 1e-3
    max_accuracy_drop: float = 3.0
    float16: bool = False
    dynamic_range: bool = False
    method: QuantizeMethod = "ptq"
    ranges: Literal["minmax", "percentile", "mse"] = "minmax"
    percentile: float = 99.99
    weight_ranges: Literal["minmax", "octav", "mse"] = "minmax"
    activations: Literal["int8", "int16"] = "int8"
    weights_bits: Literal[8, 4] = 8
    equalize: bool = False
    relu6: Literal["skip", "replace"] = "skip"
    max_drop: float = 0.5
    scan_samples: int = 1000

    def __post_init__(self) -> None:
        """Refuses bounds outside their range, and ways that do not exist."""
        check_choices(self, "quantize.")
        require(
            0 <= self.min_agreement <= 1,
            f"quantize.min_agreement is a share, 0 to 1; got {self.min_agreement}",
        )
        require(
            0 <= self.max_float_error <= 1,
            f"quantize.max_float_error is a share of the range, 0 to 1; got {self.max_float_error}",
        )
        require(
            0 <= self.max_accuracy_drop <= 100,
            f"quantize.max_accuracy_drop counts points, 0 to 100; got {self.max_accuracy_drop}",
        )
        _check_ways(self)


def _check_ways(config: QuantizeConfig) -> None:
    """Refuses settings that would do nothing, and counts that cannot work.

    Raises:
        SettingsError: names the setting and what it goes with.
    """
    require(
        50 < config.percentile <= 100,
        f"quantize.percentile is a share in percent, above 50 to 100; got {config.percentile}",
    )
    require(
        0 <= config.max_drop <= 100,
        f"quantize.max_drop counts points, 0 to 100; got {config.max_drop}",
    )
    require(
        config.scan_samples >= 1, f"quantize.scan_samples must be 1 or more: {config.scan_samples}"
    )
    full_int8 = config.activations == "int8" and config.weights_bits == 8
    require(
        config.method != "mixed" or full_int8,
        "quantize.method mixed chooses the precision of each operator itself: leave "
        "quantize.activations and quantize.weights_bits out",
    )
    require(
        config.method != "qat" or full_int8,
        "quantize.method qat fine-tunes for 8-bit weights and activations alone: leave "
        "quantize.activations and quantize.weights_bits out",
    )
    require(
        config.relu6 == "skip" or config.equalize,
        "quantize.relu6 says what equalization does with a ReLU6: it goes with quantize.equalize",
    )


@dataclass(frozen=True)
class QATConfig:
    """Fine-tuning with quantization in the loop, for `quantize.method: qat` (docs/qat.md).

    Batch size, label smoothing, class weights and augmentation are those of the training before;
    temperature and weights of the soft targets are those of `kd`, lambda being kd.weight_end.

    Args:
        epochs: passes over the training part; the control takes as many.
        learning_rate: of Adam at the start; it decays to 0 on a cosine. Low, since the network is
            trained already: a tenth to a quarter of the training's.
        freeze_norm_after: epochs after which batch normalization keeps its statistics, scale and
            offset, as they will be in the file (Krishnamoorthi 2018, arXiv 1806.08342, section 4).
        soft_targets: "as_arm" goes on with the teacher's soft targets where the arm has kd,
            "always" and "never" whatever the arm.
        control: also fine-tune the float student as long, with the same losses and rate.
        max_difference_steps: largest difference of an output between the fake-quantized network
            and the converted file on validation data, in steps of the file's output.
        min_conversion_agreement: share of validation samples on which these two choose the same
            class.
    """

    epochs: int = 4
    learning_rate: float = 5e-4
    freeze_norm_after: int = 2
    soft_targets: Literal["as_arm", "always", "never"] = "as_arm"
    control: bool = True
    max_difference_steps: float = 8.0
    min_conversion_agreement: float = 0.98

    def __post_init__(self) -> None:
        """Refuses counts, rates and bounds that cannot work."""
        check_choices(self, "qat.")
        require(self.epochs >= 1, f"qat.epochs must be 1 or more; got {self.epochs}")
        require(self.learning_rate > 0, f"qat.learning_rate must be above 0: {self.learning_rate}")
        require(
            self.freeze_norm_after >= 0,
            f"qat.freeze_norm_after counts epochs, 0 or more; got {self.freeze_norm_after}",
        )
        require(
            self.max_difference_steps > 0,
            f"qat.max_difference_steps must be above 0; got {self.max_difference_steps}",
        )
        require(
            0 <= self.min_conversion_agreement <= 1,
            f"qat.min_conversion_agreement is a share, 0 to 1; got {self.min_conversion_agreement}",
        )
