"""Names of the files that a run holds."""

from __future__ import annotations

from hintlite.pipeline.app.run.context import TEACHER

FLOAT, INT8, INT16, MIXED = "float32", "int8", "int16x8", "mixed"
QUANTIZED = (INT8, INT16, MIXED)  # what may be deployed
FINE_TUNING = "work"  # what the fine-tuning goes on from, in the folder of its stage
# For comparison with a fine-tuned student: calibrated only, and trained on as long in float.
INT8_PTQ, FLOAT_CONTROL = "int8_ptq", "float32_control"


def file_name(model: str, precision: str) -> str:
    """The .tflite file of a model: "teacher_int8.tflite", "student_float32.tflite"."""
    return f"{TEACHER if model == TEACHER else 'student'}_{precision}.tflite"
