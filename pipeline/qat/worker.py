"""The quantizer's process: reads a job's folder, fine-tunes, leaves a file and figures there.

What turns a network into a file and what runs a file are handed in (see pipeline.app.qat_process):
this package knows neither converter nor interpreter.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras

from pipeline.config import AugmentConfig
from pipeline.data.batches import steps_per_epoch, training_batches
from pipeline.data.training_data import TrainingData
from pipeline.qat import blueprint as plans
from pipeline.qat.annotate import with_fake_quantization
from pipeline.qat.blueprint import Array, Blueprint, CarryError
from pipeline.qat.finetune import FineTuning
from pipeline.qat.fit_rules import suited
from pipeline.qat.job import CHECKPOINT, FLOAT, MODEL, RESULT, Job, Outcome, read_job
from pipeline.qat.ranges import start_ranges
from pipeline.qat.rebuild import rebuild
from pipeline.qat.samples import LogitsByView, load_samples

SAME = 1e-5  # largest difference between Keras 3 and the rebuilt network, a share of the outputs
TEACHER = "teacher"
_BATCH = 256


@dataclass(frozen=True)
class Tools:
    """What the process is handed.

    Attributes:
        to_int8: a `tf_keras` model with fake quantization -> bytes of a full-INT8 file.
        to_float: a `tf_keras` model -> bytes of a float32 file.
        predict: (bytes, samples [n, h, w, c]) -> real outputs [n, classes].
        output_step: bytes -> one step of the file's output; None for a float file.
        tell: is handed one dict for each thing to report.
    """

    to_int8: Callable[[Any], bytes]
    to_float: Callable[[Any], bytes]
    predict: Callable[[bytes, Array], Array]
    output_step: Callable[[bytes], float | None]
    tell: Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class _Setting:
    """What a fine-tuning is given beside its network."""

    folder: Path
    job: Job
    data: TrainingData
    soft: LogitsByView | None
    tools: Tools


@dataclass
class _State:
    """What the checkpoint holds beside the variables."""

    epoch: int = 0
    best_epoch: int = -1
    accuracy: float = -1.0
    agreement: float = 0.0
    max_difference_steps: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


def work(folder: Path, tools: Tools) -> None:
    """Fine-tunes the network of a job's folder, going on from its checkpoint if there is one.

    The best epoch is the one whose *converted* file does best on the validation part; the network
    before any training counts as epoch 0.

    Raises:
        CarryError: the network cannot be carried over, or computes something else there.
    """
    job, blueprint = read_job(folder), plans.load(folder)
    data, soft = load_samples(folder)
    plain = rebuild(blueprint)
    difference = _compared(plain, folder)
    tools.tell({"what": "carried", "difference": difference})
    model = _quantized(blueprint, data) if job.quantized else plain
    run = _Run(_Setting(folder, job, data, soft, tools), model)
    run.all_epochs()
    run.finish(difference)


def _compared(model: tf_keras.Model, folder: Path) -> float:
    """Largest difference between Keras 3 and the rebuilt network, a share of the outputs' size."""
    with np.load(folder / "compare.npz", allow_pickle=False) as file:
        inputs, expected = file["inputs"], file["outputs"]
    found = model(inputs, training=False).numpy()
    difference = float(np.max(np.abs(found - expected)) / max(np.max(np.abs(expected)), 1.0))
    if not difference <= SAME:
        raise CarryError(
            f"the network computes something else under tf_keras: the outputs differ by "
            f"{difference:.2g} of their size, expected at most {SAME:.0e}; a layer's settings are "
            "not carried over: please report the network"
        )
    return difference


def _quantized(blueprint: Blueprint, data: TrainingData) -> tf_keras.Model:
    fitting = suited(blueprint)
    plain = rebuild(fitting)
    model = with_fake_quantization(plain, fitting)
    start_ranges(model, plain, data.normalized(data.calibration))
    return model


class _Run:
    """One fine-tuning with its checkpoint and its best file so far."""

    def __init__(self, setting: _Setting, model: tf_keras.Model) -> None:
        self.folder, self.job, self.tools = setting.folder, setting.job, setting.tools
        self.data, self.soft, self.model = setting.data, setting.soft, model
        self.batch_size = min(self.job.batch_size, len(self.data.train))
        self.steps = steps_per_epoch(len(self.data.train), self.batch_size)
        self.training = FineTuning(model, self.job, self.steps)
        self.inputs = self.data.normalized(self.data.validation)
        self.labels = self.data.labels[self.data.validation]
        self.state = _State()

    def all_epochs(self) -> None:
        """Trains from the checkpoint, or from the start, to the last epoch."""
        if not self._resume():
            self._judge(0, {})
        for epoch in range(self.state.epoch, self.job.epochs):
            row = self.training.epoch(epoch, self._batches(epoch), self._telling(epoch))
            self._judge(epoch + 1, row)

    def finish(self, difference: float) -> None:
        """Leaves the best file under its name, and the figures."""
        state = self.state
        outcome = Outcome(
            best_epoch=state.best_epoch,
            accuracy=state.accuracy,
            agreement=state.agreement,
            max_difference_steps=state.max_difference_steps,
            float_difference=difference,
            history=state.history,
        )
        name = MODEL if self.job.quantized else FLOAT
        os.replace(self.folder / f"best_{name}", self.folder / name)
        _write(self.folder / RESULT, json.dumps(asdict(outcome), indent=1).encode())

    def _judge(self, epoch: int, row: dict[str, float]) -> None:
        """Converts, measures on the validation part, keeps the better file, writes a checkpoint."""
        convert = self.tools.to_int8 if self.job.quantized else self.tools.to_float
        content = convert(self.model)
        found = self.tools.predict(content, self.inputs)
        trained = self._trained_outputs()
        accuracy = float(np.mean(np.argmax(found, axis=1) == self.labels))
        agreement = float(np.mean(np.argmax(found, axis=1) == np.argmax(trained, axis=1)))
        step = self.tools.output_step(content)
        steps = float(np.max(np.abs(found - trained))) / step if step else 0.0
        trained_accuracy = float(np.mean(np.argmax(trained, axis=1) == self.labels))
        state = self.state
        state.epoch = epoch
        state.history.append(
            {"epoch": epoch, **row, "val_accuracy": accuracy, "val_fake_accuracy": trained_accuracy}
        )
        if accuracy > state.accuracy:
            state.accuracy, state.best_epoch = accuracy, epoch
            state.agreement, state.max_difference_steps = agreement, steps
            name = MODEL if self.job.quantized else FLOAT
            _write(self.folder / f"best_{name}", content)
        self._save()
        self.tools.tell({"what": "epoch", "epoch": epoch, "accuracy": accuracy})

    def _trained_outputs(self) -> Array:
        parts = [
            self.model(self.inputs[i : i + _BATCH], training=False).numpy()
            for i in range(0, len(self.inputs), _BATCH)
        ]
        return np.concatenate(parts)

    def _batches(self, epoch: int) -> Iterator[Any]:
        batches = training_batches(
            self.data,
            self.data.train,
            batch_size=self.batch_size,
            seed=self.job.seed,
            augmentation=AugmentConfig(**self.job.augmentation),
            epochs=epoch + 1,
            initial_epoch=epoch,
            extras={TEACHER: self.soft} if self.soft is not None else None,
        )
        for inputs, labels in batches:
            yield inputs["image"], labels, inputs.get(TEACHER)

    def _telling(self, epoch: int) -> Callable[[int, float], None]:
        def tell(done: int, loss: float) -> None:
            self.tools.tell(
                {"what": "step", "epoch": epoch, "done": done, "steps": self.steps, "loss": loss}
            )

        return tell

    def _save(self) -> None:
        arrays = {f"v{i}": v.numpy() for i, v in enumerate(self.training.state)}
        aside = self.folder / f"{CHECKPOINT}.tmp"
        with aside.open("wb") as file:
            np.savez(file, state=np.array(json.dumps(asdict(self.state))), **arrays)
        os.replace(aside, self.folder / CHECKPOINT)

    def _resume(self) -> bool:
        path = self.folder / CHECKPOINT
        if not path.exists():
            return False
        with np.load(path, allow_pickle=False) as file:
            for i, variable in enumerate(self.training.state):
                variable.assign(file[f"v{i}"])
            self.state = _State(**json.loads(str(file["state"])))
        return True


def _write(path: Path, content: bytes) -> None:
    aside = path.with_name(path.name + ".tmp")
    aside.write_bytes(content)
    os.replace(aside, path)
