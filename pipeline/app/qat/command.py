"""`hintlite qat`: a functional Keras 3 model of the user's own, fine-tuned for INT8."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.files import write_whole
from hintlite.pipeline.app.qat.options import qat_config, quantize_config
from hintlite.pipeline.app.qat.show import show
from hintlite.pipeline.app.qat.subject import check_feeding, read_data, read_subject
from hintlite.pipeline.app.run.budget import BUDGET
from hintlite.pipeline.app.run.cache_place import disk_beside
from hintlite.pipeline.app.run.console import LOG, Terminal, logged
from hintlite.pipeline.app.run.context import CONVERSION_LIBRARIES, StageError, fresh_session
from hintlite.pipeline.app.run.folder import RunFolder, Stage
from hintlite.pipeline.app.run.not_a_run import require_out
from hintlite.pipeline.app.run.qat.acceptance import Before
from hintlite.pipeline.app.run.qat.outcome import Task, fine_tune
from hintlite.pipeline.app.run.stages.post_training import bounds
from hintlite.pipeline.data.rows import lazy
from hintlite.pipeline.methods.outside import imported
from hintlite.pipeline.qat.blueprint import CarryError
from hintlite.pipeline.qat.job import VERSION
from hintlite.pipeline.runs.layout import FLOAT, INT8, INT8_PTQ

if TYPE_CHECKING:
    from hintlite.pipeline.data.training_data import TrainingData
    from hintlite.pipeline.qat.job import Job

NAME = "model"  # folder in --out that holds the outcome
RECORD, NETWORK = "qat.json", "fine_tuned.keras"
WORK = "work"
# They choose what is shown, not what is done.
_SHOWING = ("verbose", "json", "out", "model", "teacher", "config", BUDGET[0])
_HASHED = "imports"  # the modules' sources decide


def qat(options: Mapping[str, Any]) -> int:
    """Fine-tunes a model and writes the folder; goes on where it was stopped.

    Args:
        options: of the command, already checked.

    Raises:
        NetworkError: the model cannot be loaded.
        RunError: model and data do not fit, or the folder holds something else.
        CarryError: a layer cannot be carried over; the text names it.
        StageError: the model is fed the wrong range of values, or the outcome breaks a bound.
    """
    model = Path(options["model"])
    out = Path(options["out"] or model.with_name(f"{model.stem}_qat"))
    require_out(out, RECORD)
    folder, terminal = RunFolder(out), Terminal()
    with folder.lock(), logged(out / LOG, options["verbose"]):
        with terminal.task("reading the data"):
            data = read_data(options, terminal, disk_beside(out, options["budget_gb"]))
        with terminal.task("loading TensorFlow") as bar:
            bar.line()
            _prepare(options)
        with fresh_session(options["seed"]):
            with _or_convert(options):
                job = _Work(options, terminal, data)
                job.check()
            if not folder.complete(job.stage()):
                terminal.say(f"{out / NAME}: up to date")
            job.bundle(out)
    show(out / NAME / RECORD, options["json"])
    return 0


@contextmanager
def _or_convert(options: Mapping[str, Any]) -> Iterator[None]:
    """A network that cannot be fine-tuned can often be calibrated as it is: says how."""
    try:
        yield
    except CarryError as error:
        words = ["hintlite", "convert", options["model"], "--data", options["data"]]
        if options[_HASHED]:
            words += ["--imports", ",".join(options[_HASHED])]
        if options["normalization"] != "unit":
            words += ["--normalization", options["normalization"]]
        said = f"`{shlex.join(words)}` calibrates it without fine-tuning"
        raise CarryError(f"{error}\n{said}") from error


def _prepare(options: Mapping[str, Any]) -> None:
    from hintlite.pipeline.qat.launch import require_packages

    if options["epochs"]:
        require_packages()
    import tensorflow as tf

    tf.get_logger().setLevel("INFO")
    imported(options[_HASHED])


class _Work:
    """One fine-tuning of one file.

    Args:
        options: of the command.
        terminal: shows progress.
        data: that the model is converted for.
    """

    def __init__(self, options: Mapping[str, Any], terminal: Terminal, data: TrainingData) -> None:
        self.options, self.terminal = options, terminal
        self.subject = read_subject(options, data)
        self.qat, self.bounds = qat_config(options), quantize_config(options)

    def check(self) -> None:
        """Refuses what could not be ended, or would end in a file for another range of values.

        Raises:
            CarryError: a layer of the network.
            RunError: the network is no better than guessing as it is fed.
        """
        from hintlite.pipeline.qat.read import read

        if self.options["epochs"]:
            left_out = read(self.subject.network).left_out
            if left_out:
                self.terminal.say(
                    f"{', '.join(left_out)}: for training alone; the file has no such layers and "
                    "the fine-tuning goes without them (--flip and --shift change its images)"
                )
        check_feeding(self.subject, self.options, self.terminal)

    def stage(self) -> Stage:
        """What decides the outcome, and the work."""
        files = {"model": self.subject.path}
        if self.options["teacher"]:
            files["teacher"] = Path(self.options["teacher"])
        left_out = (*_SHOWING, _HASHED)
        kept = {key: value for key, value in self.options.items() if key not in left_out}
        kept |= imported(self.options[_HASHED])
        hashed = {key: hashlib.sha256(path.read_bytes()).hexdigest() for key, path in files.items()}
        return Stage(
            name=NAME,
            version=VERSION,
            settings={**kept, "files": hashed, "fingerprint": self.subject.data.fingerprint},
            inputs=(),
            libraries=self._libraries(),
            work=self.fill,
            resumes=True,
            scratch=(WORK,),
        )

    def _libraries(self) -> tuple[str, ...]:
        if not self.options["epochs"]:
            return CONVERSION_LIBRARIES
        return (*CONVERSION_LIBRARIES, "tf_keras", "tensorflow-model-optimization")

    def fill(self, folder: Path) -> None:
        """Fills the folder of the outcome."""
        before = self._before()
        if not self.options["epochs"]:
            return self._keep_calibrated(folder, before)
        shared = folder / WORK
        self._share(shared)
        task = Task(
            before,
            self.subject.data,
            self._job(),
            self.bounds,
            self.qat,
            name=str(self.subject.path),
            cure="--epochs or --learning_rate, or the bounds",
        )
        kept = fine_tune(self.terminal, shared, task)
        kept.write(folder, self._name, NETWORK)
        return self._record(folder, kept.files, {"job": asdict(task.job), **kept.report})

    def _keep_calibrated(self, folder: Path, before: Before) -> None:
        """Writes the files of the calibration, where nothing is trained."""
        found = before.calibrated
        if found.failures or found.figures is None:
            raise StageError(
                f"the INT8 file of {self.subject.path} is not good enough by calibration alone:\n  "
                + "\n  ".join(found.failures)
                + "\ngive --epochs 1 or more, or change the bounds"
            )
        for precision, content in before.files.items():
            (folder / self._name(precision)).write_bytes(content)
        accuracy = {FLOAT: found.figures.float_accuracy, INT8_PTQ: found.figures.int8_accuracy}
        report = {**found.to_dict(), "qat": {"validation_accuracy": accuracy}}
        self._record(folder, before.files, {"job": None, **report})

    def _share(self, shared: Path) -> None:
        """Writes what the quantizer's process reads."""
        from hintlite.pipeline.qat.prepare import save_teacher, write_shared

        write_shared(shared, self.subject.network, self.subject.data, None)
        if self.subject.teacher is not None:
            save_teacher(self.subject.teacher, shared)

    def _before(self) -> Before:
        from hintlite.deploy.convert.convert import to_float32, to_int8
        from hintlite.deploy.convert.verify import verify

        data, network = self.subject.data, self.subject.network
        with self.terminal.task("INT8 by calibration") as bar:
            files = {
                FLOAT: to_float32(network),
                INT8: to_int8(network, data.normalized(data.calibration)),
            }
            bar.update(1, 2, "verifying")
            calibrated = verify(
                network,
                (files[FLOAT], files[INT8]),
                data.fed(data.validation),
                data.labels[data.validation],
                bounds=bounds(self.bounds),
            )
        return Before(network, files, calibrated)

    def bundle(self, out: Path) -> None:
        """Writes the bundle beside the files, and what an explanation compares."""
        from hintlite.pipeline.app.convert.bundled import keep_pair, write_device

        place, data = out / NAME, self.subject.data
        files = json.loads((place / RECORD).read_text())["files"]
        rows = data.validation
        write_device(
            out,
            files[INT8],
            (place / files[INT8]).read_bytes(),
            data.class_names,
            {**data.normalization.to_dict(), "raw_dtype": data.raw_dtype, "raw_max": data.raw_max},
            (lazy(data.images, rows), data.labels[rows]),
            {
                "model": self.subject.path.name,
                "data": data.name,
                "data_sha256": data.fingerprint,
                "labels": "of the data",
            },
        )
        pair = (f"{NAME}/{files[FLOAT]}", f"{NAME}/{files[INT8]}")
        keep_pair(out, pair, data.fed(rows), data.labels[rows])

    def _job(self) -> Job:
        from hintlite.pipeline.qat.job import Job

        options = self.options
        names = ("epochs", "learning_rate", "batch_size", "freeze_norm_after", "seed")
        return Job(
            quantized=True,
            **{name: options[name] for name in names},
            augmentation={"flip": options["flip"], "shift": options["shift"]},
            soft_weight=options["soft_weight"] if self.subject.teacher is not None else 0.0,
            temperature=options["temperature"],
            deterministic=options["deterministic"],
        )

    def _name(self, precision: str) -> str:
        return f"{self.subject.path.stem}_{precision}.tflite"

    def _record(self, folder: Path, files: Mapping[str, bytes], report: dict[str, Any]) -> None:
        record = {
            "model": self.subject.path.name,
            "files": {precision: self._name(precision) for precision in files},
            "bytes": {precision: len(content) for precision, content in files.items()},
            "classes": list(self.subject.data.class_names),
            "normalization": self.subject.data.normalization.to_dict(),
            **report,
        }
        write_whole(folder / RECORD, json.dumps(record, indent=1))
