"""What `hintlite fit` looks at: a file, a run at any stage, or settings that were never run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hintlite.deploy.bundle.deployed import model_file
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.full_integer import full_int8_faults
from hintlite.deploy.tflite.graph import Model
from hintlite.deploy.tflite.inspect import count_file_parameters
from hintlite.models.scaling import SCALABLE, parameters_of, scale_to
from hintlite.models.settings import NetworkConfig
from hintlite.pipeline.app.fit.int8_shape import FAMILIES, payload_bytes, sketch
from hintlite.pipeline.app.fit.limits import Costs, Limits, costs_of
from hintlite.pipeline.app.run.folder import RunError, RunFolder
from hintlite.pipeline.app.settings.text import read_config
from hintlite.pipeline.runs.layout import SETTINGS

if TYPE_CHECKING:
    from hintlite.pipeline.app.run.context import Context
    from hintlite.pipeline.settings.run import RunConfig

Shape = tuple[int, ...]
# What a file has beside its payload, an operator: tables and names. 603 and 692 bytes in the
# project's own files; a run's own file is used instead where there is one.
OVERHEAD_BYTES = 700


@dataclass(frozen=True)
class Subject:
    """One model.

    Args:
        title: what it is called.
        model: read from its file, or drawn from settings.
        file_bytes: of the file, or estimated.
        drawn: there is no file yet.
        notes: what the user should know.
        student: the settings of its network, with its widths; None where they are not known.
        why_no_student: the reason, if so.
        given: its settings as the run has them: a preset, or a factor instead of widths.
        input_shape: (h, w, c), if the student is known.
        classes: likewise.
    """

    title: str
    model: Model
    file_bytes: int
    drawn: bool = False
    notes: tuple[str, ...] = ()
    student: NetworkConfig | None = None
    why_no_student: str = ""
    given: NetworkConfig | None = None
    input_shape: Shape = ()
    classes: int = 0

    @property
    def overhead_bytes(self) -> float:
        """Bytes of the file beside its payload, an operator."""
        if self.drawn:
            return OVERHEAD_BYTES
        return (self.file_bytes - payload_bytes(self.model)) / max(
            len(self.model.main.operators), 1
        )


def subject_of(place: Path) -> Subject:
    """The model that a path stands for: a .tflite file, a run, or a settings file.

    Raises:
        RunError: a run without what is needed.
        ModelError: a damaged file.
    """
    place = model_file(place)
    if place.suffix == ".tflite":
        return file_subject(str(place), read_model(place))
    return _run(place)


def file_subject(title: str, model: Model) -> Subject:
    """A model of which only its file is known."""
    return Subject(
        title=title,
        model=model,
        file_bytes=len(model.content),
        notes=_precision(model),
        why_no_student="of a single file the student is not known; name a run",
    )


def _precision(model: Model) -> tuple[str, ...]:
    faults = full_int8_faults(model)
    if not faults:
        return ("full INT8: every operator computes with integers",)
    more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
    return (f"not full INT8: {faults[0]}{more}; an INT8 file takes about a quarter",)


_UNKNOWN = "they do not say its layers"
_UNDRAWN = {
    "conv_lstm": "the operators and scratch tensors of its recurrent layer are known of the "
    "converted file alone",
}


def _run(place: Path) -> Subject:
    config = _settings(place)
    run = None if place.is_file() else place
    input_shape, classes = _task(config, run)
    student = _student(config, run, input_shape, classes)
    known = student.family in FAMILIES
    file = None if run is None else _student_file(run, config)
    if file is None and not known:
        way = f"RUN --config {place}" if run is None else str(place)
        raise RunError(
            f"{place} has no INT8 student yet, and a network of the family {student.family!r} "
            f"cannot be drawn from its settings: {_UNDRAWN.get(student.family, _UNKNOWN)}. "
            f"`hintlite run {way}` makes the file; then `hintlite fit` reads it"
        )
    if file is None:
        subject = _drawn(place, student, input_shape, classes)
    else:
        subject = file_subject(str(file), read_model(file))
    if not known:
        why = f"a network of the family {student.family!r} has no widths, depths or strides to set"
        return replace(subject, why_no_student=why)
    if file is not None:
        _check_current(subject, student, input_shape, classes, place)
    return replace(
        subject,
        student=student,
        given=config.student,
        input_shape=input_shape,
        classes=classes,
    )


def _settings(place: Path) -> RunConfig:
    """The settings of a run, or of a YAML file."""
    return read_config(place if place.is_file() else place / SETTINGS)


def _task(config: RunConfig, run: Path | None) -> tuple[Shape, int]:
    """(h, w, c) and the number of classes: from the data stage, or from the data themselves."""
    facts = run / "data" / "data.json" if run else None
    if facts and facts.is_file():
        found = json.loads(facts.read_text())
        return tuple(found["input_shape"]), len(found["class_names"])
    data = _context(config, run).data
    return data.input_shape, len(data.class_names)


def _context(config: RunConfig, run: Path | None) -> Context:
    from hintlite.pipeline.app.run.console import Terminal
    from hintlite.pipeline.app.run.context import Context

    return Context(config, RunFolder(run or Path()), Terminal())


def _student(config: RunConfig, run: Path | None, shape: Shape, classes: int) -> NetworkConfig:
    """The student's settings, with the widths that times_fewer stands for."""
    student = config.student.resolved()
    if student.times_fewer is None:
        return student
    return scale_to(student, shape, classes, _teacher_parameters(config, run, shape, classes))


def _teacher_parameters(config: RunConfig, run: Path | None, shape: Shape, classes: int) -> int:
    found = [_summary(run, i) for i in range(config.teacher_members)]
    known = [parameters for parameters in found if parameters is not None]
    if len(known) == config.teacher_members:
        return sum(known)
    teacher = config.teacher.resolved()
    if teacher.family in SCALABLE:
        return config.teacher_members * parameters_of(teacher, shape, classes)
    from hintlite.models.cost import count_parameters
    from hintlite.models.teacher import build_teacher

    return config.teacher_members * count_parameters(build_teacher(teacher, shape, classes))


def _summary(run: Path | None, member: int) -> int | None:
    path = run / f"teacher/{member}/summary.json" if run else None
    return int(json.loads(path.read_text())["parameters"]) if path and path.is_file() else None


def _student_file(run: Path, config: RunConfig) -> Path | None:
    """The bundled student, or that of any arm: all have the same shape."""
    from hintlite.pipeline.app.run.stages.bundle import DEVICE

    places = [run / DEVICE, *(run / "quantize" / arm for arm in config.arms)]
    found = (place / "student_int8.tflite" for place in places)
    return next((path for path in found if path.is_file()), None)


def _drawn(place: Path, student: NetworkConfig, shape: Shape, classes: int) -> Subject:
    model = sketch(student, shape, classes)
    return Subject(
        title=f"{place}, student",
        model=model,
        file_bytes=_file_bytes(model, OVERHEAD_BYTES),
        drawn=True,
        notes=(
            "not trained yet: operators, arena and MACs as its settings say, file size estimated",
        ),
    )


def _file_bytes(model: Model, overhead_bytes: float) -> int:
    return payload_bytes(model) + round(overhead_bytes * len(model.main.operators))


def _check_current(
    subject: Subject, student: NetworkConfig, shape: Shape, classes: int, place: Path
) -> None:
    """The file must be the one that the settings describe, or the proposals would be of another."""
    drawn = count_file_parameters(sketch(student, shape, classes))
    found = count_file_parameters(subject.model)
    if drawn != found:
        raise RunError(
            f"{subject.title} has {found:,} parameters, but the student of the settings has "
            f"{drawn:,}: it was made with other settings; `hintlite run {place}` makes it anew"
        )


def measure_with(subject: Subject, limits: Limits) -> Callable[[NetworkConfig], Costs]:
    """What another student takes, drawn; the file's overhead is that of the subject."""

    def measure(config: NetworkConfig) -> Costs:
        model = sketch(config, subject.input_shape, subject.classes)
        return costs_of(model, _file_bytes(model, subject.overhead_bytes), limits)

    return measure


def converted(config: NetworkConfig, input_shape: Shape, classes: int) -> Model:
    """The INT8 file of a network with random weights: the exact size of the trained one's."""
    import keras
    import numpy as np

    from hintlite.deploy.convert.convert import to_int8
    from hintlite.models.student import build_student
    from hintlite.models.taps import logits_only

    keras.utils.set_random_seed(0)
    network = logits_only(build_student(config, input_shape, classes))
    noise = np.random.default_rng(0)
    for variable in network.weights:  # biases of zeros would share one buffer
        if not np.any(variable.numpy()):
            variable.assign(noise.normal(scale=0.1, size=variable.shape))
    samples = noise.normal(size=(4, *input_shape)).astype(np.float32)
    return read_model(to_int8(network, samples))
