"""`hintlite qat`: a functional Keras 3 model of the user's own, fine-tuned for INT8."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.files import write_whole
from hintlite.pipeline.app.qat.options import data_config, qat_config, quantize_config
from hintlite.pipeline.app.run.console import LOG, Terminal, logged
from hintlite.pipeline.app.run.context import CONVERSION_LIBRARIES, fresh_session
from hintlite.pipeline.app.run.folder import RunError, RunFolder, Stage
from hintlite.pipeline.app.run.qat.acceptance import Before, sentence
from hintlite.pipeline.app.run.qat.outcome import Kept, Task, fine_tune
from hintlite.pipeline.qat.job import VERSION
from hintlite.pipeline.runs.layout import FLOAT, INT8

if TYPE_CHECKING:
    import keras

    from hintlite.pipeline.data.training_data import TrainingData
    from hintlite.pipeline.qat.job import Job

NAME = "model"  # folder in --out that holds the outcome
RECORD, NETWORK = "qat.json", "fine_tuned.keras"
WORK = "work"
# They choose what is shown, not what is done.
_SHOWING = ("verbose", "json", "out", "model", "teacher", "config")


def qat(options: Mapping[str, Any]) -> int:
    """Fine-tunes a model and writes the folder; goes on where it was stopped.

    Args:
        options: of the command, already checked.

    Raises:
        RunError: model and data do not fit.
        CarryError: a layer cannot be carried over; the text names it.
        StageError: the outcome breaks a bound.
    """
    model = Path(options["model"])
    out = Path(options["out"] or model.with_name(f"{model.stem}_qat"))
    folder, terminal = RunFolder(out), Terminal()
    with folder.lock(), logged(out / LOG, options["verbose"]):
        with terminal.task("loading TensorFlow"):
            _prepare(options)
        with fresh_session(options["seed"]):
            job = _Work(options, terminal)
            job.check()
            if not folder.complete(job.stage()):
                terminal.say(f"{out / NAME}: up to date")
    _show(out / NAME, options["json"])
    return 0


def _prepare(options: Mapping[str, Any]) -> None:
    from hintlite.pipeline.qat.launch import require_packages

    require_packages()
    import tensorflow as tf

    tf.get_logger().setLevel("INFO")


class _Work:
    """One fine-tuning of one file.

    Args:
        options: of the command.
        terminal: shows progress.
    """

    def __init__(self, options: Mapping[str, Any], terminal: Terminal) -> None:
        self.options, self.terminal = options, terminal
        self.path = Path(options["model"])
        self.network = _single_output(self.path)
        self.teacher = _teacher(options["teacher"])
        self.shape = tuple(self.network.inputs[0].shape[1:])
        self.qat, self.bounds = qat_config(options), quantize_config(options)

    def check(self) -> None:
        """Reads the data, and refuses what could not be ended.

        Raises:
            CarryError: a layer of the network.
            RunError: data of another form.
        """
        from hintlite.pipeline.data.calibration import check_calibration
        from hintlite.pipeline.qat.read import read

        read(self.network)
        self.data = _data(self.options, self.shape)
        check_calibration(self.data)
        networks = {str(self.path): self.network}
        if self.teacher is not None:
            networks[self.options["teacher"]] = self.teacher
        for name, network in networks.items():
            _check_fit(name, network, self.data)

    def stage(self) -> Stage:
        """What decides the outcome, and the work."""
        files = {"model": self.path}
        if self.options["teacher"]:
            files["teacher"] = Path(self.options["teacher"])
        kept = {key: value for key, value in self.options.items() if key not in _SHOWING}
        hashed = {key: hashlib.sha256(path.read_bytes()).hexdigest() for key, path in files.items()}
        return Stage(
            name=NAME,
            version=VERSION,
            settings={**kept, "files": hashed, "fingerprint": self.data.fingerprint},
            inputs=(),
            libraries=(*CONVERSION_LIBRARIES, "tf_keras", "tensorflow-model-optimization"),
            work=self.fill,
            resumes=True,
            scratch=(WORK,),
        )

    def fill(self, folder: Path) -> None:
        """Fills the folder of the outcome."""
        from hintlite.pipeline.qat.prepare import save_teacher, write_shared

        shared = folder / WORK
        before = self._before()
        write_shared(shared, self.network, self.data, None)
        if self.teacher is not None:
            save_teacher(self.teacher, shared)
        task = Task(
            before,
            self.data,
            self._job(),
            self.bounds,
            self.qat,
            name=str(self.path),
            cure="--epochs or --learning_rate, or the bounds",
        )
        kept = fine_tune(self.terminal, shared, task)
        kept.write(folder, self._name, NETWORK)
        write_whole(folder / RECORD, json.dumps(self._record(kept, task.job), indent=1))

    def _before(self) -> Before:
        from hintlite.deploy.convert.convert import to_float32, to_int8
        from hintlite.deploy.convert.verify import Bounds, verify

        data = self.data
        with self.terminal.task("INT8 by calibration") as bar:
            files = {
                FLOAT: to_float32(self.network),
                INT8: to_int8(self.network, data.normalized(data.calibration)),
            }
            bar.update(1, 2, "verifying")
            calibrated = verify(
                self.network,
                (files[FLOAT], files[INT8]),
                data.normalized(data.validation),
                data.labels[data.validation],
                bounds=Bounds(self.bounds.min_agreement),
            )
        return Before(self.network, files, calibrated)

    def _job(self) -> Job:
        from hintlite.pipeline.qat.job import Job

        options = self.options
        names = ("epochs", "learning_rate", "batch_size", "freeze_norm_after", "seed")
        return Job(
            quantized=True,
            **{name: options[name] for name in names},
            augmentation={"flip": options["flip"], "shift": options["shift"]},
            soft_weight=options["soft_weight"] if self.teacher is not None else 0.0,
            temperature=options["temperature"],
            deterministic=options["deterministic"],
        )

    def _name(self, precision: str) -> str:
        return f"{self.path.stem}_{precision}.tflite"

    def _record(self, kept: Kept, job: Job) -> dict[str, Any]:
        return {
            "model": self.path.name,
            "files": {precision: self._name(precision) for precision in kept.files},
            "bytes": {precision: len(content) for precision, content in kept.files.items()},
            "classes": list(self.data.class_names),
            "normalization": self.data.normalization.to_dict(),
            "job": asdict(job),
            **kept.report,
        }


def _single_output(path: Path) -> keras.Model:
    """The model of a file; its logits where it has several outputs and calls one of them so."""
    from hintlite.models.graph import named_outputs
    from hintlite.models.keras_file import read_keras_file
    from hintlite.models.taps import LOGITS, logits_only

    model = read_keras_file(str(path))
    return logits_only(model) if LOGITS in named_outputs(model) else model


def _teacher(path: str | None) -> keras.Model | None:
    from hintlite.models.keras_file import read_keras_file
    from hintlite.models.taps import with_taps

    return None if path is None else with_taps(read_keras_file(path), {})


def _data(options: Mapping[str, Any], shape: tuple[int, ...]) -> TrainingData:
    from hintlite.pipeline.data.load import load_training

    return load_training(data_config(options, shape))


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


def _show(place: Path, as_json: bool) -> None:
    record = json.loads((place / RECORD).read_text())
    if as_json:
        print(json.dumps(record, indent=1))
        return
    qat, names = record["qat"], record["files"]
    print(
        f"{sentence(record)}\n"
        f"file and fake-quantized network choose alike on {qat['agreement']:.2%} of it, at most "
        f"{qat['max_difference_steps']:.1f} steps of the output apart\n"
        f"full INT8, {record['bytes'][INT8]:,} bytes: {place / names[INT8]}\n"
        f"record: {place / RECORD}"
    )
