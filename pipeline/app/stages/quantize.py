"""quantize: teacher and students as .tflite, float and INT8, verified before they count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

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


def file_name(model: str, precision: str) -> str:
    """The .tflite file of a model: "teacher_int8.tflite", "student_float32.tflite"."""
    return f"{TEACHER if model == TEACHER else 'student'}_{precision}.tflite"


def stages(context: Context) -> list[Stage]:
    """One stage a model, each writing .tflite files and verify.json."""
    return [_stage(context, model) for model in context.models]


def _stage(context: Context, model: str) -> Stage:
    trained = context.teachers if model == TEACHER else (f"distill/{model}", *context.teachers)
    return Stage(
        name=f"quantize/{model}",
        version=1,
        settings=context.settings("quantize"),
        inputs=(DATA, *trained),
        libraries=CONVERSION_LIBRARIES,
        work=lambda folder: _work(context, model, folder),
    )


def _work(context: Context, model: str, folder: Path) -> None:
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
