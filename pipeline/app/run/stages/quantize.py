"""quantize: teacher and students as .tflite, float and INT8, verified before they count."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.files import write_whole
from hintlite.pipeline.app.run.context import (
    CONVERSION_LIBRARIES,
    Context,
    StageError,
    fresh_session,
    load_network,
)
from hintlite.pipeline.app.run.folder import Stage
from hintlite.pipeline.app.run.samples import DATA, SAMPLES
from hintlite.pipeline.app.run.stages import post_training, quantize_teacher
from hintlite.pipeline.app.run.stages.post_training import Converted, bounds
from hintlite.pipeline.app.run.validation import measured
from hintlite.pipeline.runs.layout import (
    FINE_TUNING,
    FLOAT,
    FLOAT_CONTROL,
    INT8,
    INT8_PTQ,
    MIXED,
    TEACHER,
    file_name,
)

if TYPE_CHECKING:
    import keras
    import numpy as np

    from hintlite.deploy.convert.verify import Verification
    from hintlite.pipeline.app.run.console import Bar

SCORES = "scores.json"  # of the deployed file, on validation data

__all__ = [
    "FLOAT",
    "FLOAT_CONTROL",
    "INT8",
    "INT8_PTQ",
    "METHODS",
    "file_name",
    "precisions",
    "quantized",
    "stages",
]


@dataclass(frozen=True)
class Method:
    """A way from a trained student to the file that is deployed; METHODS names them.

    Attributes:
        work: fills the folder of a model's stage.
        settings: what decides the outcome beside the settings of `quantize`.
        extra: precisions of the files that it makes beside the float one and the deployed one.
        libraries: packages whose versions decide the outcome, beside those of a conversion.
        resumes: an interrupted try is gone on with.
        scratch: what it leaves in the stage's folder for that, see `Stage`.
    """

    work: Callable[[Context, str, Path], None]
    settings: Callable[[Context, str], dict[str, Any]] = lambda context, arm: {}
    extra: Callable[[Context], tuple[str, ...]] = lambda context: ()
    libraries: tuple[str, ...] = ()
    resumes: bool = False
    scratch: tuple[str, ...] = ()


def quantized(context: Context, model: str) -> str:
    """The precision of the file of a model that is deployed beside the float one."""
    return post_training.quantized(context.config.quantize, model)


def precisions(context: Context, model: str) -> tuple[str, ...]:
    """Of the files of a model that are evaluated: float first, the deployed one last.

    A teacher has those that could be made.
    """
    if model == TEACHER:
        return quantize_teacher.made(context)
    return (FLOAT, *_method(context, model).extra(context), quantized(context, model))


def stages(context: Context) -> list[Stage]:
    """One stage a model, each writing .tflite files and verify.json."""
    return [_stage(context, model) for model in context.models]


def _stage(context: Context, model: str) -> Stage:
    trained = context.teachers if model == TEACHER else (f"distill/{model}", *context.teachers)
    method = _method(context, model)
    return Stage(
        name=f"quantize/{model}",
        version=2,
        settings=_settings(context, model),
        inputs=(DATA, SAMPLES, *trained),
        libraries=_libraries(context, model),
        work=lambda folder: _work(context, model, folder),
        resumes=method.resumes,
        scratch=method.scratch,
    )


def _work(context: Context, model: str, folder: Path) -> None:
    _method(context, model).work(context, model, folder)
    if model != TEACHER:
        _score(context, model, folder)


def _score(context: Context, model: str, folder: Path) -> None:
    """What the deployed file is worth on validation data, for the choice of the student."""
    from hintlite.deploy.interpret.runtime import Runner

    path = folder / file_name(model, quantized(context, model))
    figures = measured(Runner(path).predict, context.kept)
    write_whole(folder / SCORES, json.dumps(figures, indent=1))


def _method(context: Context, model: str) -> Method:
    return METHODS[TEACHER if model == TEACHER else context.config.quantize.method]


def _settings(context: Context, model: str) -> dict[str, Any]:
    own = post_training.settings(context.config.quantize, model)
    more = _method(context, model).settings(context, model)
    return context.settings("quantize") | {"quantize": own} | more


def _libraries(context: Context, model: str) -> tuple[str, ...]:
    plain = post_training.by_converter(context.config.quantize, model)
    chosen = () if plain else ("ai-edge-quantizer",)
    return (*CONVERSION_LIBRARIES, *chosen, *_method(context, model).libraries)


def _calibrate(context: Context, model: str, folder: Path) -> None:
    word = _word(quantized(context, model))
    with fresh_session(0), context.terminal.task(f"{word}, {model}") as bar:
        made, result = _calibrated(context, model, bar)
    for note in made.notes:
        context.terminal.say(f"{model}: {note}")
    if not result.ok:
        raise StageError(
            f"the {word} file of {model!r} is not good enough:\n  "
            + "\n  ".join(result.failures)
            + "\nraise data.calibration_samples, train longer, or change the bounds quantize.*"
        )
    for kind, content in made.files.items():
        (folder / file_name(model, kind)).write_bytes(content)
    for name, text in made.records.items():
        write_whole(folder / name, text)
    write_whole(folder / "verify.json", json.dumps(result.to_dict(), indent=1))


def _fine_tune(context: Context, model: str, folder: Path) -> None:
    from hintlite.pipeline.app.run.qat import stage as quantize_qat
    from hintlite.pipeline.app.run.qat.acceptance import Before

    with fresh_session(0):
        quantize_qat.check_ready(_network(context, model))
        with context.terminal.task(f"INT8 by calibration, {model}") as bar:
            made, calibrated = _calibrated(context, model, bar)
        for note in made.notes:
            context.terminal.say(f"{model}: {note}")
        before = Before(made.network, made.files, calibrated, _forbidden(context, model))
        quantize_qat.fine_tune(context, quantize_qat.Student(model, before), folder)
    for name, text in made.records.items():
        write_whole(folder / name, text)


def _calibrated(context: Context, model: str, bar: Bar) -> tuple[Converted, Verification]:
    """The files of a model without further training, and how good the deployed one is."""
    network = _network(context, model)
    bar.update(0, 3, "converting")
    mixed = context.config.quantize.method == MIXED
    convert = post_training.convert_mixed if mixed else post_training.convert
    made = convert(context, model, network, bar)
    made = replace(made, files=made.files | _others(context, made.network))
    bar.update(2, 3, "verifying")
    result = _verify(context, model, made)
    if result.figures:
        bar.note = (
            f"chooses as float does on {result.figures.agreement:.2%} of the validation part, "
            f"{len(made.files[made.quantized]):,} bytes"
        )
    return made, result


def _word(precision: str) -> str:
    return precision.upper() if precision == INT8 else precision


def _network(context: Context, model: str) -> keras.Model:
    """The network that is deployed: input to logits."""
    return load_network(context.file(f"distill/{model}", "student.keras"))


def _others(context: Context, network: keras.Model) -> dict[str, bytes]:
    """The files beside the two that every run has, where they are asked for."""
    from hintlite.deploy.convert.convert import to_dynamic_range, to_float16

    config = context.config.quantize
    files = {}
    if config.float16:
        files["float16"] = to_float16(network)
    if config.dynamic_range:
        files["dynamic_range"] = to_dynamic_range(network)
    return files


def _verify(context: Context, model: str, made: Converted) -> Verification:
    from hintlite.deploy.convert.verify import verify

    data = context.kept
    return verify(
        made.network,
        (made.files[FLOAT], made.files[made.quantized]),
        data.fed(data.validation),
        data.labels[data.validation],
        bounds=bounds(context.config.quantize),
        forbidden=_forbidden(context, model),
        form=made.quantized,
        clipped=made.clipped,
    )


def _forbidden(context: Context, model: str) -> dict[str, np.ndarray]:
    """Weights that must not be in a student's file: the teacher's, and what was dropped."""
    import numpy as np

    with np.load(context.file(f"distill/{model}", "dropped.npz"), allow_pickle=False) as file:
        forbidden = {f"method/{name}": file[name] for name in file.files}
    for variable in context.teacher().weights:
        forbidden[f"teacher/{variable.path}"] = variable.numpy()
    return forbidden


def _qat_settings(context: Context, arm: str) -> dict[str, Any]:
    from hintlite.pipeline.app.run.qat.stage import settings

    return settings(context, arm)


def _qat_extra(context: Context) -> tuple[str, ...]:
    return (FLOAT_CONTROL, INT8_PTQ) if context.config.qat.control else (INT8_PTQ,)


# The values of quantize.method (QuantizeMethod in pipeline/settings), and the teacher's own way.
METHODS: dict[str, Method] = {
    TEACHER: Method(lambda context, model, folder: quantize_teacher.work(context, folder)),
    "ptq": Method(_calibrate),
    "mixed": Method(_calibrate),
    "qat": Method(
        work=_fine_tune,
        settings=_qat_settings,
        extra=_qat_extra,
        libraries=("tf_keras", "tensorflow-model-optimization"),
        resumes=True,
        scratch=(FINE_TUNING,),
    ),
}
