"""Names as the page writes them."""

from __future__ import annotations

TITLES = {
    "teacher": "teacher",
    "scratch": "student alone",
    "kd": "student, KD",
    "hint+kd": "student, hints + KD",
}
PRECISIONS = {
    "float32": "float32",
    "float16": "float16",
    "dynamic_range": "dynamic range",
    "float32_control": "float32, trained on",
    "int8_ptq": "INT8, calibrated",
    "int8": "INT8",
    "int16x8": "INT16x8",
    "mixed": "mixed",
}


def model_title(name: str) -> str:
    """A model's name: "hint+kd" -> "student, hints + KD", "teacher/1" -> "teacher 1"."""
    if name.startswith("teacher/"):
        return name.replace("/", " ")
    return TITLES.get(name, f"student, {name}")


def precision_title(name: str) -> str:
    """A precision's name: "int8" -> "INT8"."""
    return PRECISIONS.get(name, name)


def result_title(model: str, precision: str) -> str:
    """A file's name: "student alone, INT8"."""
    return f"{model_title(model)}, {precision_title(precision)}"
