"""Names of the stages and files of a run folder, for those that write it and those that read it."""

from __future__ import annotations

SETTINGS = "settings.yaml"
RECORD = "stage.json"  # in each stage's folder: what it was made from, and the hashes of its files
TARGETS = "targets"  # one stage a target other than this host
RESULT = "result.json"  # of a target
EXPLANATION = "explain.json"  # of a stage explain/<model>
BUNDLE_MANIFEST = "device/manifest.json"  # of the bundle

TEACHER = "teacher"
BEST = "best"  # the setting `deploy` names no arm: the best one is bundled
FLOAT, INT8, INT16, MIXED = "float32", "int8", "int16x8", "mixed"
QUANTIZED = (INT8, INT16, MIXED)  # what may be deployed
FINE_TUNING = "work"  # what the fine-tuning goes on from, in the folder of its stage
# For comparison with a fine-tuned student: calibrated only, and trained on as long in float.
INT8_PTQ, FLOAT_CONTROL = "int8_ptq", "float32_control"
# Made where quantize.float16 and quantize.dynamic_range ask for them.
FLOAT16, DYNAMIC_RANGE = "float16", "dynamic_range"
INTEGER = (INT8_PTQ, *QUANTIZED)  # weights and activations are integers
PRECISIONS = (FLOAT, FLOAT16, DYNAMIC_RANGE, FLOAT_CONTROL, *INTEGER)  # in the order of the table


def teacher_stages(members: int) -> tuple[str, ...]:
    """The stages that train the teacher, one a member of the ensemble."""
    return tuple(f"{TEACHER}/{member}" for member in range(members))


def quantize_stage(model: str) -> str:
    """The stage that converts a model."""
    return f"quantize/{model}"


def file_name(model: str, precision: str) -> str:
    """The .tflite file of a model: "teacher_int8.tflite", "student_float32.tflite"."""
    return f"{TEACHER if model == TEACHER else 'student'}_{precision}.tflite"


def result_file(model: str, precision: str) -> str:
    """The result of a file's benchmark on this host, in the stage `benchmark`."""
    return f"{model}.{precision}.json"
