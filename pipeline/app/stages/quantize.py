"""quantize: teacher and students as .tflite, float and INT8, verified before they count."""

from __future__ import annotations

import json
from collections.abc import Callable
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
from pipeline.app.stages import post_training
from pipeline.app.stages.data import NAME as DATA
from pipeline.app.stages.post_training import FLOAT, INT8, Converted

if TYPE_CHECKING:
    import keras
    import numpy as np

    from deploy.verify import Verification
    from pipeline.app.console import Bar

__all__ = ["FLOAT", "INT8", "METHODS", "file_name", "quantized", "stages"]

Method = Callable[[Context, str, "keras.Model", "Bar"], Converted]

# How the file that is deployed is made.
METHODS: dict[str, Method] = {
    "ptq": post_training.convert,
    "mixed": post_training.convert_mixed,
}


def file_name(model: str, precision: str) -> str:
    """The .tflite file of a model: "teacher_int8.tflite", "student_float32.tflite"."""
    return f"{TEACHER if model == TEACHER else 'student'}_{precision}.tflite"


def quantized(context: Context, model: str) -> str:
    """The precision of the file of a model that is deployed beside the float one."""
    return post_training.quantized(context.config.quantize, model)


def stages(context: Context) -> list[Stage]:
    """One stage a model, each writing .tflite files and verify.json."""
    return [_stage(context, model) for model in context.models]


def _stage(context: Context, model: str) -> Stage:
    config = context.config.quantize
    plain = post_training.by_converter(config, model)
    trained = context.teachers if model == TEACHER else (f"distill/{model}", *context.teachers)
    return Stage(
        name=f"quantize/{model}",
        version=1,
        settings=context.settings("quantize") | {"quantize": post_training.settings(config, model)},
        inputs=(DATA, *trained),
        libraries=CONVERSION_LIBRARIES + (() if plain else ("ai-edge-quantizer",)),
        work=lambda folder: _work(context, model, folder),
    )


def _work(context: Context, model: str, folder: Path) -> None:
    from pipeline.data.calibration import check_calibration

    check_calibration(context.data)
    precision = quantized(context, model)
    word = precision.upper() if precision == INT8 else precision
    with fresh_session(0), context.terminal.task(f"{word}, {model}") as bar:
        network = _network(context, model)
        bar.update(0, 3, "converting")
        made = METHODS[context.config.quantize.method](context, model, network, bar)
        files = made.files | _others(context, made.network)
        bar.update(2, 3, "verifying")
        result = _verify(context, model, made)
        if result.figures:
            bar.note = (
                f"chooses as float does on {result.figures.agreement:.2%} of the validation part, "
                f"{len(files[precision]):,} bytes"
            )
    for note in made.notes:
        context.terminal.say(f"{model}: {note}")
    if not result.ok:
        raise StageError(
            f"the {word} file of {model!r} is not good enough:\n  "
            + "\n  ".join(result.failures)
            + "\nraise data.calibration_samples, train longer, or change the bounds quantize.*"
        )
    for kind, content in files.items():
        (folder / file_name(model, kind)).write_bytes(content)
    for name, text in made.records.items():
        write_whole(folder / name, text)
    write_whole(folder / "verify.json", json.dumps(result.to_dict(), indent=1))


def _network(context: Context, model: str) -> keras.Model:
    """The network that is deployed: input to logits."""
    from models.taps import logits_only

    if model == TEACHER:
        return logits_only(context.teacher())
    return load_network(context.file(f"distill/{model}", "student.keras"))


def _others(context: Context, network: keras.Model) -> dict[str, bytes]:
    """The files beside the two that every run has, where they are asked for."""
    from deploy.convert import to_dynamic_range, to_float16

    config = context.config.quantize
    files = {}
    if config.float16:
        files["float16"] = to_float16(network)
    if config.dynamic_range:
        files["dynamic_range"] = to_dynamic_range(network)
    return files


def _verify(context: Context, model: str, made: Converted) -> Verification:
    from deploy.verify import Bounds, verify

    data, config = context.data, context.config.quantize
    return verify(
        made.network,
        (made.files[FLOAT], made.files[made.quantized]),
        data.normalized(data.validation),
        data.labels[data.validation],
        bounds=Bounds(
            min_agreement=config.min_agreement,
            max_float_error=config.max_float_error,
            max_accuracy_drop=config.max_accuracy_drop / 100,
        ),
        forbidden=_forbidden(context, model),
        form=made.quantized,
        clipped=made.clipped,
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
