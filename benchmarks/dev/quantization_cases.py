"""The cases and methods of `quantization_methods`, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Every setting that one of the methods changes, so that nothing is left over from the one before.
PLAIN = {
    "quantize.method": "ptq",
    "quantize.equalize": "false",
    "quantize.relu6": "skip",
    "quantize.max_drop": "0.5",
    "qat.soft_targets": "as_arm",
    "qat.control": "true",
}
METHODS: dict[str, dict[str, str]] = {
    "qat": {"quantize.method": "qat", "qat.soft_targets": "never"},
    "qat+kd": {"quantize.method": "qat", "qat.soft_targets": "always", "qat.control": "false"},
    "ptq+equalization": {"quantize.equalize": "true"},
    "mixed": {"quantize.method": "mixed", "quantize.max_drop": "0.3"},
}
QUICK: dict[str, Any] = {
    "data": {"limit": 600, "calibration_samples": 64},
    "teacher": {"preset": None, "widths": [16, 32, 64], "depths": [2, 2, 2]},
    "teacher_training": {"epochs": 1},
    "training": {"epochs": 1},
    "hint": {"epochs": 1},
    "qat": {"epochs": 1},
    "quantize": {"scan_samples": 60},
}


@dataclass(frozen=True)
class Case:
    """A kind of student.

    Attributes:
        title: in the table.
        settings: YAML file below configs/.
        teacher: folder of the teacher, which cases with equal data share.
        methods: of METHODS.
        changes: settings beside those of the file.
        flags: what is otherwise than METHODS has it, with each of them.
        spoiled_from: the case whose students are made hard to quantize here, if any.
    """

    title: str
    settings: str
    teacher: str = "teacher_20000"
    methods: tuple[str, ...] = tuple(METHODS)
    changes: Mapping[str, Any] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    spoiled_from: str | None = None


CASES = {
    "ds_cnn": Case("`ds_cnn`, ReLU6", "results/quantization_ds_cnn.yaml"),
    "maxout": Case("maxout FitNet", "results/quantization_maxout.yaml"),
    "maxout_spoiled": Case(
        "maxout FitNet, spoiled", "results/quantization_maxout.yaml", spoiled_from="maxout"
    ),
    "thin_deep": Case(
        "`thin_deep`, all images",
        "fashion_mnist.yaml",
        teacher="teacher_60000",
        methods=("qat+kd",),
        flags={"qat.control": "true"},  # no plain QAT here that would bring one
        changes={
            "teacher_seed": 0,
            "arms": ["hint+kd"],
            "quantize": {"min_agreement": 0, "max_accuracy_drop": 100},
            "qat": {"max_difference_steps": 1000, "min_conversion_agreement": 0},
        },
    ),
}


def merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings, with some of them changed."""
    found = dict(settings)
    for key, value in changes.items():
        inner = found.get(key)
        nested = isinstance(value, Mapping) and isinstance(inner, Mapping)
        found[key] = merged(inner or {}, value) if nested else value
    return found
