"""What `hintlite qat` works on: the model, its data and a teacher, and whether they fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.errors import NetworkError
from hintlite.pipeline.app.qat.options import data_config
from hintlite.pipeline.app.run.console import Terminal
from hintlite.pipeline.app.run.context import StageError
from hintlite.pipeline.app.run.folder import RunError

if TYPE_CHECKING:
    import keras

    from hintlite.pipeline.data.disk import Disk
    from hintlite.pipeline.data.training_data import TrainingData


@dataclass(frozen=True, eq=False)
class Subject:
    """A model of the user's own, with the data that it is converted for.

    Attributes:
        path: of the model's file.
        network: functional, images of the data's size to one output.
        teacher: network whose soft targets are learned, or None.
        data: training, validation and calibration samples.
    """

    path: Path
    network: keras.Model
    teacher: keras.Model | None
    data: TrainingData


def read_data(options: Mapping[str, Any], terminal: Terminal, disk: Disk) -> TrainingData:
    """Reads the data and says what was understood of it; no library is loaded for that.

    Args:
        options: of the command, already checked.
        terminal: where it is said.
        disk: where samples are kept that are too many for memory.

    Raises:
        CacheError: they do not fit there.
        DataError: samples that cannot be used.
    """
    from hintlite.models.settings import NetworkConfig
    from hintlite.pipeline.data.given_teacher import check_given, fitted
    from hintlite.pipeline.data.load import load_training

    model = NetworkConfig(family="keras_file", path=options["model"])
    config = fitted(data_config(options), model)
    data = load_training(config, disk=disk)
    check_given(data, config, model)
    for note in data.notes:
        terminal.say(note)
    return data


def read_subject(options: Mapping[str, Any], data: TrainingData) -> Subject:
    """Reads the model, and refuses data that it does not fit.

    Sizes that a model leaves open are those of the data.

    Args:
        options: of the command, already checked.
        data: from `read_data`.

    Raises:
        NetworkError: a file that is no .keras file, or cannot be loaded.
        RunError: the data is of another form than the model.
        CarryError: the model is not functional.
    """
    from hintlite.models.bind import bound
    from hintlite.models.keras_file import read_keras_file
    from hintlite.models.taps import with_taps
    from hintlite.pipeline.data.calibration import check_calibration

    path, teacher_path = Path(options["model"]), options["teacher"]
    network = _with_single_output(read_keras_file(str(path)))
    check_calibration(data)
    network, teacher = bound(network, data.input_shape), None
    _check_fit(str(path), network, data)
    if teacher_path is not None:
        teacher = with_taps(bound(read_keras_file(teacher_path), data.input_shape), {})
        _check_fit(teacher_path, teacher, data)
    return Subject(path, network, teacher, data)


def check_feeding(subject: Subject, options: Mapping[str, Any], terminal: Terminal) -> None:
    """Shows what the float networks reach as they are fed, and refuses a wrong range of values.

    Raises:
        StageError: a network is no better than guessing, or far better fed another range, and
            --accept_chance is not given.
    """
    from hintlite.pipeline.app.run.validation import predictor
    from hintlite.pipeline.data.feeding import feeding, problem

    networks = {str(subject.path): subject.network}
    if subject.teacher is not None:
        networks[options["teacher"]] = subject.teacher
    kind = options["normalization"]
    for name, network in networks.items():
        found = feeding(predictor(network), subject.data, kind)
        terminal.say(
            f"{name}: {found.accuracy[kind]:.2%} balanced accuracy in float on {found.samples} "
            f"validation samples, fed {kind}"
        )
        why = problem(found, name, "--normalization")
        if why is not None and not options["accept_chance"]:
            raise StageError(f"{why}; --accept_chance goes on all the same")


def _with_single_output(model: keras.Model) -> keras.Model:
    """The logits alone of a model that has several outputs and calls one of them so."""
    from hintlite.models.graph import check_functional, named_outputs
    from hintlite.models.taps import LOGITS, logits_only
    from hintlite.pipeline.qat.blueprint import CarryError

    try:
        check_functional(model)
    except NetworkError as error:
        raise CarryError(str(error)) from error
    return logits_only(model) if LOGITS in named_outputs(model) else model


def _check_fit(name: str, network: keras.Model, data: TrainingData) -> None:
    """Refuses a network for other images or classes."""
    output = network.output["logits"] if isinstance(network.output, dict) else network.output
    shape, units = tuple(network.inputs[0].shape[1:]), output.shape[-1]
    if shape != data.input_shape:
        raise RunError(
            f"{name} takes images of shape {shape}, but the data has {data.input_shape}: give "
            "data of that size (the images of a folder are resized)"
        )
    if len(output.shape) != 2 or units != len(data.class_names):
        raise RunError(
            f"{name} gives {tuple(output.shape)}, but the data has {len(data.class_names)} "
            "classes: expected [batch, classes]"
        )
