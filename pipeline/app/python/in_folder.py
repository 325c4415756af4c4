"""`hintlite.distill(folder=...)`: a run like the command's, on a caller's models and samples."""

from __future__ import annotations

import csv
import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hintlite.files import aside, write_whole
from hintlite.models.settings import NetworkConfig
from hintlite.pipeline.app.python.arguments import ArgumentError, class_names
from hintlite.pipeline.app.python.held import divided
from hintlite.pipeline.app.python.methods import Part, arm_of, build
from hintlite.pipeline.app.python.networks import Networks
from hintlite.pipeline.app.python.samples import Data, Samples, Task, is_dataset, read_samples
from hintlite.pipeline.data.kinds import BY_RANK
from hintlite.pipeline.data.rows import cast, chunks, taken
from hintlite.pipeline.data.splits import random, stratified
from hintlite.pipeline.settings.data import DataConfig, SampleKind
from hintlite.pipeline.settings.run import RunConfig

if TYPE_CHECKING:
    import keras

    from hintlite.pipeline.app.python.load_run import Run
    from hintlite.pipeline.data.sources.source import Pool, Source
    from hintlite.pipeline.methods.base import Method

GIVEN, RECORD = "given", "given.json"  # the caller's models, in the run's folder
TEST_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class Parts:
    """The samples of a run.

    Attributes:
        train: `distill`'s.
        validation: likewise.
        test: samples of the one evaluation, or the share of `train` to set aside for it.
        name: what the samples are called in the report.
    """

    train: Data
    validation: Data | float
    test: Data | float | None = None
    name: str = "arrays"


def train_in_folder(
    folder: Path,
    models: tuple[keras.Model, keras.Model],
    networks: Networks,
    parts: Parts,
    method: str | Part | Method,
    config: RunConfig,
    verbose: bool,
) -> keras.callbacks.History:
    """Completes the run and takes over its student's weights.

    Args:
        folder: the run's.
        models: teacher and student as the caller has them; the student gets the weights.
        networks: the same with taps.
        parts: the samples.
        method: see `distill`.
        config: settings of training and methods.
        verbose: print what the command would.

    Returns:
        The history of all phases.
    """
    from hintlite.pipeline.app.python.run import run

    arm = arm_of(method)
    calibration = config.data.calibration_samples
    source, count = _source(parts, networks.task, config.seed)
    build(arm, config, networks.teacher, networks.student, networks.hints, count)  # refuses early
    kept = Given(folder / GIVEN)
    teacher, student = kept.teacher(models[0]), kept.student(models[1])
    taps = config.hint.pairs
    config = replace(
        config,
        arms=(arm,),
        deploy="best",
        data=replace(
            config.data,
            calibration_samples=min(calibration, count),
            kind=_kind(networks.task),
        ),
        teacher=_network(teacher, taps.values(), models[0]),
        student=_network(student, taps, models[1]),
    )
    found = run(folder, config, source, verbose=verbose)
    _take_over(found, arm, networks.student)
    kept.note_trained(models[1])
    _warn_of_collapse(found, arm)
    return _history(folder / "distill" / arm / "history.csv")


def _kind(task: Task) -> SampleKind | None:
    """What the samples are; of pictures [n, h, w, c] the shape tells it."""
    kind = BY_RANK[len(task.shape)]
    return None if kind == "images" else kind


def _network(path: Path, layers: Any, model: keras.Model) -> NetworkConfig:
    """The settings of a network from a file; its own taps need no naming."""
    from hintlite.models.graph import named_outputs

    own = named_outputs(model)
    taps = {layer: layer for layer in dict.fromkeys(layers) if layer not in own}
    return NetworkConfig(family="keras_file", path=str(path), taps=taps)


def _source(parts: Parts, task: Task, seed: int) -> tuple[Source, int]:
    """The samples as a run reads them, and how many are trained on."""
    train = read_in_order(parts.train, task, "train")
    if train.weights is not None:
        raise ArgumentError("train: a run in a folder has no weights of samples; leave them out")
    test: Samples | None = None
    share = TEST_SHARE if parts.test is None else parts.test
    if isinstance(share, (int, float)):
        train, test = _set_aside(train, float(share), seed)
    else:
        test = read_in_order(share, task, "test")
    held_out = parts.validation
    validation = (
        float(held_out)
        if isinstance(held_out, (int, float))
        else read_in_order(held_out, task, "validation")
    )
    data, _ = divided(train, validation, task.classes, seed)
    if test.inputs.dtype != data.images.dtype:
        test = replace(test, inputs=cast(test.inputs, data.images.dtype))
    return _as_source(data, test, parts, task), len(data.train)


def read_in_order(data: Data, task: Task, what: str) -> Samples:
    """Samples in an order of their own: a dataset that shuffles is the same one when read again."""
    read = read_samples(data, task, what, mapped=True)
    if not is_dataset(data) or read.weights is not None:
        return read
    samples = (sample for chunk in chunks(read.inputs) for sample in chunk)
    keys = [
        hashlib.sha256(sample.tobytes()).hexdigest() + str(label)
        for sample, label in zip(samples, read.labels, strict=True)
    ]
    order = np.argsort(keys, kind="stable")
    return replace(read, inputs=taken(read.inputs, order), labels=read.labels[order])


def _set_aside(train: Samples, share: float, seed: int) -> tuple[Samples, Samples]:
    """Training samples without, and test samples with, each class in proportion."""
    total = round(share * len(train.labels)) if 0 < share < 1 else 0
    if total == 0:
        raise ArgumentError(
            f"test: {share!r} of {len(train.labels)} samples is none; expected (x, y), a dataset, "
            "or a share such as 0.2"
        )
    rows = np.sort(stratified(train.labels, total, random(seed, "test"), least=0))
    others = np.setdiff1d(np.arange(len(train.labels)), rows)
    return tuple(  # type: ignore[return-value]
        replace(train, inputs=taken(train.inputs, each), labels=train.labels[each])
        for each in (others, rows)
    )


def _as_source(data: Any, test: Samples, parts: Parts, task: Task) -> Source:
    from hintlite.pipeline.data.sources.arrays import from_arrays

    names = task.names or class_names(None, task.classes)
    held = (test.inputs, test.labels)
    plain = from_arrays(data.images, data.labels, held, names, name=parts.name)

    def opened(config: DataConfig) -> Pool:
        return replace(plain.open(config), validation=data.validation)

    return replace(plain, open=opened)


class Given:
    """The caller's models in the run's folder, written once, so that the run can be gone on with.

    Args:
        folder: of the models.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / RECORD
        self.record: dict[str, str] = json.loads(path.read_text()) if path.is_file() else {}

    def teacher(self, model: keras.Model) -> Path:
        """The teacher's file; another one where layers or weights are others."""
        return self._write(model, "teacher", fingerprint(model, with_weights=True))

    def student(self, model: keras.Model) -> Path:
        """The student's file, with the weights that it was first given with.

        A cell or script that is run again builds a student with other random weights, or has the
        trained one still: it goes on with the run. Only other layers are another student.
        """
        shape = fingerprint(model, with_weights=False)
        weights = fingerprint(model, with_weights=True)
        path = self.folder / "student.keras"
        if self.record.get("student") != shape or not path.is_file():
            path = self._write(model, "student", shape)
            self._note("student_weights", weights)
        elif weights not in (self.record.get("student_weights"), self.record.get("trained")):
            warnings.warn(
                f"{self.folder.parent} holds a student of the same layers with other starting "
                "weights and goes on with that one: give another folder to train this one",
                stacklevel=5,
            )
        return path

    def note_trained(self, model: keras.Model) -> None:
        """Remembers the weights that the student left with."""
        self._note("trained", fingerprint(model, with_weights=True))

    def _write(self, model: keras.Model, name: str, identity: str) -> Path:
        path = self.folder / f"{name}.keras"
        if self.record.get(name) == identity and path.is_file():
            return path
        self.folder.mkdir(parents=True, exist_ok=True)
        with aside(path) as place:
            # Keras takes no other suffix.
            part = place.with_suffix(".keras")
            model.save(part)
            part.replace(place)
        self._note(name, identity)
        return path

    def _note(self, name: str, value: str) -> None:
        self.record[name] = value
        write_whole(self.folder / RECORD, json.dumps(self.record, indent=1))


def fingerprint(model: keras.Model, with_weights: bool) -> str:
    """sha256 of a model's layers, whatever Keras has named them, and of its weights if asked."""
    names = [layer.name for layer in model._flatten_layers()]
    order = {name: f"layer{place}" for place, name in enumerate(dict.fromkeys(names))}
    digest = hashlib.sha256(json.dumps(_renamed(model.get_config(), order)).encode())
    if with_weights:
        for weight in model.get_weights():
            digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def _renamed(value: Any, order: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {str(key): _renamed(each, order) for key, each in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [_renamed(each, order) for each in value]
    if isinstance(value, str):
        return order.get(value, value)
    return value if isinstance(value, (int, float, bool, type(None))) else str(value)


def _take_over(found: Run, arm: str, student: keras.Model) -> None:
    """Gives the caller's own student the weights of the run's."""
    from hintlite.models.taps import logits_only

    trained = found.students[arm].get_weights()
    own = logits_only(student)
    for variable, weight in zip(own.weights, trained, strict=True):
        variable.assign(weight)


def _warn_of_collapse(found: Run, arm: str) -> None:
    """With accept_chance the run goes on, and says so on a terminal that nobody may see."""
    from hintlite.pipeline.app.run.validation import is_collapsed, sentence

    place = found.path / "distill" / arm / "summary.json"
    figures = json.loads(place.read_text())["validation"]
    if is_collapsed(figures):
        warnings.warn(sentence("the student", figures), stacklevel=4)


def _history(path: Path) -> keras.callbacks.History:
    from hintlite.pipeline.app.python.memory import as_keras

    with path.open() as file:
        rows = [{k: _number(v) for k, v in row.items() if v} for row in csv.DictReader(file)]
    return as_keras(rows)


def _number(text: str) -> float | int | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
