"""Names as people read them, on the page and in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hintlite.pipeline.runs import layout

TITLES = {
    layout.TEACHER: "teacher",
    "scratch": "student alone",
    "kd": "student, KD",
    "hint+kd": "student, hints + KD",
}
PRECISIONS = {
    layout.FLOAT: "float32",
    layout.FLOAT16: "float16",
    layout.DYNAMIC_RANGE: "dynamic range",
    layout.FLOAT_CONTROL: "float32, trained on",
    layout.INT8_PTQ: "INT8, calibrated",
    layout.INT8: "INT8",
    layout.INT16: "INT16x8",
    layout.MIXED: "mixed",
}


def model_title(name: str) -> str:
    """A model's name: "hint+kd" -> "student, hints + KD", "teacher/1" -> "teacher 1"."""
    if name.startswith(f"{layout.TEACHER}/"):
        return name.replace("/", " ")
    return TITLES.get(name, f"student, {name}")


def class_names(facts: Mapping[str, Any], count: int) -> list[str]:
    """The labels of a run's facts; numbers if they are not known."""
    names = (facts["data"] or {}).get("class_names") or []
    return [str(name) for name in names] if len(names) == count else [str(i) for i in range(count)]


def precision_title(name: str) -> str:
    """A precision's name: "int8" -> "INT8"."""
    return PRECISIONS.get(name, name)


def result_title(model: str | None, precision: str) -> str:
    """A file's name: "student alone, INT8"; of a student whose arm nobody knows "student, INT8"."""
    title = "student" if model is None else model_title(model)
    return f"{title}, {precision_title(precision)}"
