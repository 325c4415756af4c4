"""quantize: teacher and students as .tflite, float and INT8, verified before they count."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.app.context import (
    CONVERSION_LIBRARIES,
    TEACHER,
    Context,
    StageError,
    fresh_session,
    load_network,
)
from pipeline.app.folder import Stage, write_whole
from pipeline.app.stages.data import NAME as DATA

if TYPE_CHECKING:
    import keras
    import numpy as np

    from deploy.verify import Verification

FLOAT, INT8 = "float32", "int8"
# For comparison with a fine-tuned student: calibrated only, and trained on as long in float.
INT8_PTQ, FLOAT_CONTROL = "int8_ptq", "float32_control"


@dataclass(frozen=True)
class Method:
    """A way from a trained student to INT8; METHODS names them.

    Attributes:
        work: fills the folder of a model's stage.
        settings: what decides the outcome beside the settings of `quantize`.
        extra: precisions of the files that it makes beside float32 and INT8.
        libraries: packages whose versions decide the outcome.
        resumes: an interrupted try is gone on with.
    """

    work: Callable[[Context, str, Path], None]
    settings: Callable[[Context, str], dict[str, Any]] = lambda context, arm: {}
    extra: Callable[[Context], tuple[str, ...]] = lambda context: ()
    libraries: tuple[str, ...] = CONVERSION_LIBRARIES
    resumes: bool = False


def file_name(model: str, precision: str) -> str:
    """The .tflite file of a model: "teacher_int8.tflite", "student_float32.tflite"."""
    return f"{TEACHER if model == TEACHER else 'student'}_{precision}.tflite"


def precisions(context: Context, model: str) -> tuple[str, ...]:
    """Of the files of a model that are evaluated: float32 and INT8 are always among them."""
    return (FLOAT, *_method(context, model).extra(context), INT8)


def stages(context: Context) -> list[Stage]:
    """One stage a model, each writing .tflite files and verify.json."""
    return [_stage(context, model) for model in context.models]


def _stage(context: Context, model: str) -> Stage:
    trained = context.teachers if model == TEACHER else (f"distill/{model}", *context.teachers)
    method = _method(context, model)
    return Stage(
        name=f"quantize/{model}",
        version=1,
        settings=_settings(context, model),
        inputs=(DATA, *trained),
        libraries=method.libraries,
        work=lambda folder: method.work(context, model, folder),
        resumes=method.resumes,
    )


def _method(context: Context, model: str) -> Method:
    return METHODS["ptq" if model == TEACHER else context.config.quantize.method]


def _settings(context: Context, model: str) -> dict[str, Any]:
    settings = context.settings("quantize")
    if _method(context, model) is METHODS["ptq"]:
        settings["quantize"].pop("method")  # younger than the first runs, which meant this one
    return settings | _method(context, model).settings(context, model)


def _calibrate(context: Context, model: str, folder: Path) -> None:
    with fresh_session(0), context.terminal.task(f"INT8, {model}") as bar:
        network = _network(context, model)
        bar.update(0, 3, "converting")
        files = _convert(context, network)
        bar.update(2, 3, "verifying")
        result = _verify(context, model, network, files)
        if result.figures:
            bar.note = (
                f"chooses as float does on {result.figures.agreement:.2%} of the validation part, "
                f"{len(files[INT8]):,} bytes"
            )
    if not result.ok:
        raise StageError(
            f"the INT8 file of {model!r} is not good enough:\n  "
            + "\n  ".join(result.failures)
            + "\nraise data.calibration_samples, train longer, or change the bounds quantize.*"
        )
    for precision, content in files.items():
        (folder / file_name(model, precision)).write_bytes(content)
    write_whole(folder / "verify.json", json.dumps(result.to_dict(), indent=1))


def _fine_tune(context: Context, model: str, folder: Path) -> None:
    from pipeline.app.qat_judge import Before
    from pipeline.app.stages import quantize_qat

    with fresh_session(0):
        network = _network(context, model)
        quantize_qat.check_ready(network)
        with context.terminal.task(f"INT8 by calibration, {model}") as bar:
            bar.update(0, 2, "converting")
            files = _convert(context, network)
            bar.update(1, 2, "verifying")
            calibrated = _verify(context, model, network, files)
            if calibrated.figures:
                bar.note = f"{calibrated.figures.int8_accuracy:.2%} on the validation part"
        before = Before(network, files, calibrated, _forbidden(context, model))
        quantize_qat.fine_tune(context, quantize_qat.Student(model, before), folder)


def _network(context: Context, model: str) -> keras.Model:
    """The network that is deployed: input to logits."""
    from models.taps import logits_only

    if model == TEACHER:
        return logits_only(context.teacher())
    return load_network(context.file(f"distill/{model}", "student.keras"))


def _convert(context: Context, network: keras.Model) -> dict[str, bytes]:
    from deploy.convert import to_dynamic_range, to_float16, to_float32, to_int8

    data, config = context.data, context.config.quantize
    files = {
        FLOAT: to_float32(network),
        INT8: to_int8(network, data.normalized(data.calibration)),
    }
    if config.float16:
        files["float16"] = to_float16(network)
    if config.dynamic_range:
        files["dynamic_range"] = to_dynamic_range(network)
    return files


def _verify(
    context: Context, model: str, network: keras.Model, files: dict[str, bytes]
) -> Verification:
    from deploy.verify import Bounds, verify

    data, config = context.data, context.config.quantize
    return verify(
        network,
        (files[FLOAT], files[INT8]),
        data.normalized(data.validation),
        data.labels[data.validation],
        bounds=Bounds(
            min_agreement=config.min_agreement,
            max_float_error=config.max_float_error,
            max_accuracy_drop=config.max_accuracy_drop / 100,
        ),
        forbidden=_forbidden(context, model),
    )


def _forbidden(context: Context, model: str) -> dict[str, np.ndarray]:
    """Weights that must not be in a student's file: the teacher's, and what was dropped."""
    import numpy as np

    if model == TEACHER:
        return {}
    with np.load(context.file(f"distill/{model}", "dropped.npz"), allow_pickle=False) as file:
        forbidden = {f"method/{name}": file[name] for name in file.files}
    for variable in context.teacher().weights:
        forbidden[f"teacher/{variable.path}"] = variable.numpy()
    return forbidden


def _qat_settings(context: Context, arm: str) -> dict[str, Any]:
    from pipeline.app.stages.quantize_qat import settings

    return settings(context, arm)


def _qat_extra(context: Context) -> tuple[str, ...]:
    return (FLOAT_CONTROL, INT8_PTQ) if context.config.qat.control else (INT8_PTQ,)


# The values of the setting quantize.method (QUANTIZE_METHODS in pipeline/config.py).
METHODS: dict[str, Method] = {
    "ptq": Method(_calibrate),
    "qat": Method(
        work=_fine_tune,
        settings=_qat_settings,
        extra=_qat_extra,
        libraries=(*CONVERSION_LIBRARIES, "tf_keras", "tensorflow-model-optimization"),
        resumes=True,
    ),
}
