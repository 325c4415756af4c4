"""What quantize.* refuses beyond single values: ways that do not exist, settings without effect."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.config import QUANTIZE_METHODS, QuantizeConfig, require


def check_quantize(config: QuantizeConfig) -> None:
    """Refuses ways of quantizing that do not exist, and settings that would do nothing.

    Raises:
        SettingsError: names the setting and what it goes with.
    """
    _one_of("quantize.method", config.method, QUANTIZE_METHODS)
    _one_of("quantize.ranges", config.ranges, ("minmax", "percentile", "mse"))
    _one_of("quantize.weight_ranges", config.weight_ranges, ("minmax", "octav", "mse"))
    _one_of("quantize.activations", config.activations, ("int8", "int16"))
    _one_of("quantize.weights_bits", config.weights_bits, (8, 4))
    _one_of("quantize.relu6", config.relu6, ("skip", "replace"))
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


def _one_of(name: str, value: object, choices: Sequence[object]) -> None:
    listed = ", ".join(str(choice) for choice in choices)
    require(value in choices, f"{name} must be one of {listed}; got {value!r}")
