"""One fine-tuning from epoch to epoch: its checkpoint, and its best converted file so far."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras

from hintlite.files import write_whole, writing
from hintlite.pipeline.data.batches import steps_per_epoch, training_batches
from hintlite.pipeline.data.rows import SampleArray
from hintlite.pipeline.data.training_data import TrainingData
from hintlite.pipeline.qat import blueprint as plans
from hintlite.pipeline.qat.blueprint import Array, Blueprint
from hintlite.pipeline.qat.finetune import FineTuning, Teach
from hintlite.pipeline.qat.job import CHECKPOINT, MODEL, RESULT, TUNED, Job, Outcome
from hintlite.pipeline.qat.ranges import refresh_kernels
from hintlite.pipeline.qat.samples import LogitsByView
from hintlite.pipeline.qat.trained import with_weights_of
from hintlite.pipeline.settings.data import AugmentConfig

SOFT = "soft_targets"
BEST = "best_"  # what the files of the best epoch so far are called
_BATCH = 256
_LEAST = 1 / 512  # probability behind a stored 0: half a step


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
    predict: Callable[[bytes, SampleArray], Array]
    output_step: Callable[[bytes], float | None]
    tell: Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Measured:
    """A converted file beside the network that it was made of, on the validation part."""

    accuracy: float
    val_loss: float
    trained_accuracy: float
    agreement: float
    max_difference_steps: float

    @property
    def rank(self) -> tuple[float, float]:
        """What makes one epoch better than another; smaller is better."""
        return -self.accuracy, self.val_loss


@dataclass
class _State:
    """What the checkpoint holds beside the variables."""

    epoch: int = 0
    best_epoch: int = -1
    best: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)


class Running:
    """One fine-tuning.

    Args:
        folder: the job's.
        job: the settings.
        data: training and validation samples.
        soft: the teacher's logits, or None.
        tools: what else the process needs.
    """

    def __init__(
        self, folder: Path, job: Job, data: TrainingData, soft: LogitsByView | None, tools: Tools
    ) -> None:
        self.folder, self.job, self.tools = folder, job, tools
        self.data, self.soft = data, soft
        self.batch_size = min(job.batch_size, len(data.train))
        self.steps = steps_per_epoch(len(data.train), self.batch_size)
        self.inputs = data.fed(data.validation)
        self.labels = data.labels[data.validation]
        self.state = _State()

    def prepare(self, model: tf_keras.Model, blueprint: Blueprint, teach: Teach | None) -> None:
        """Takes the network, its blueprint, and the teacher where it is run in each step."""
        self.model, self.blueprint = model, blueprint
        self.training = FineTuning(model, self.job, self.steps, teach)

    def all_epochs(self) -> None:
        """Trains from the checkpoint, or from the start, to the last epoch."""
        if not self._resume():
            self._judge(0, {}, time.monotonic())
        for epoch in range(self.state.epoch, self.job.epochs):
            begun = time.monotonic()
            loss = self.training.epoch(epoch, self._batches(epoch), self._telling(epoch))
            self._judge(epoch + 1, {"loss": loss}, begun)

    def finish(self, difference: float) -> None:
        """Leaves the best file and network under their names, and the figures.

        Args:
            difference: between Keras 3 and the rebuilt network.
        """
        state = self.state
        outcome = Outcome(
            best_epoch=state.best_epoch,
            rebuilt_difference=difference,
            history=state.history,
            **state.best,
        )
        tuned = self.folder / TUNED
        shutil.rmtree(tuned, ignore_errors=True)
        shutil.copytree(self.folder / f"{BEST}{TUNED}", tuned)
        shutil.copyfile(self.folder / f"{BEST}{MODEL}", self.folder / MODEL)
        write_whole(self.folder / RESULT, json.dumps(asdict(outcome), indent=1))

    def _judge(self, epoch: int, row: dict[str, float], begun: float) -> None:
        """Converts, measures on the validation part, keeps the better file, writes a checkpoint."""
        refresh_kernels(self.model)
        convert = self.tools.to_int8 if self.job.quantized else self.tools.to_float
        content = convert(self.model)
        found = self._measure(content)
        state = self.state
        state.epoch = epoch
        took = {"seconds": round(time.monotonic() - begun, 2)}
        state.history.append({"epoch": epoch, **row, **asdict(found), **took})
        if state.best_epoch < 0 or found.rank < Measured(**state.best).rank:
            state.best_epoch, state.best = epoch, asdict(found)
            self._keep(content)
        self._save()
        self.tools.tell({"what": "epoch", "epoch": epoch, "accuracy": found.accuracy})

    def _measure(self, content: bytes) -> Measured:
        """Runs the file and the network that it was made of on the validation part."""
        found, trained = self.tools.predict(content, self.inputs), self._trained_outputs()
        chosen, meant = np.argmax(found, axis=1), np.argmax(trained, axis=1)
        step = self.tools.output_step(content)
        return Measured(
            accuracy=float(np.mean(chosen == self.labels)),
            val_loss=self._cross_entropy(found),
            trained_accuracy=float(np.mean(meant == self.labels)),
            agreement=float(np.mean(chosen == meant)),
            max_difference_steps=float(np.max(np.abs(found - trained))) / step if step else 0.0,
        )

    def _cross_entropy(self, outputs: Array) -> float:
        """Mean over the validation part, of logits, or of probabilities behind a softmax."""
        if self.training.logits is self.model:
            shifted = outputs - outputs.max(axis=1, keepdims=True)
            logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        else:
            logs = np.log(np.maximum(outputs, _LEAST))
        return float(-np.mean(logs[np.arange(len(self.labels)), self.labels]))

    def _trained_outputs(self) -> Array:
        parts = [
            self.model(self.inputs[i : i + _BATCH], training=False).numpy()
            for i in range(0, len(self.inputs), _BATCH)
        ]
        return np.concatenate(parts)

    def _keep(self, content: bytes) -> None:
        write_whole(self.folder / f"{BEST}{MODEL}", content)
        place = self.folder / f"{BEST}{TUNED}"
        place.mkdir(exist_ok=True)
        plans.save(with_weights_of(self.blueprint, self.model), place)

    def _batches(self, epoch: int) -> Iterator[Any]:
        batches = training_batches(
            self.data,
            self.data.train,
            batch_size=self.batch_size,
            seed=self.job.seed,
            augmentation=AugmentConfig(**self.job.augmentation),
            epochs=epoch + 1,
            initial_epoch=epoch,
            extras={SOFT: self.soft} if self.soft is not None else None,
        )
        for inputs, labels in batches:
            yield inputs["image"], labels, inputs.get(SOFT)

    def _telling(self, epoch: int) -> Callable[[int, float], None]:
        def tell(done: int, loss: float) -> None:
            self.tools.tell(
                {"what": "step", "epoch": epoch, "done": done, "steps": self.steps, "loss": loss}
            )

        return tell

    def _save(self) -> None:
        arrays = {f"v{i}": v.numpy() for i, v in enumerate(self.training.state)}
        with writing(self.folder / CHECKPOINT) as file:
            np.savez(file, state=np.array(json.dumps(asdict(self.state))), **arrays)

    def _resume(self) -> bool:
        path = self.folder / CHECKPOINT
        if not path.exists():
            return False
        with np.load(path, allow_pickle=False) as file:
            for i, variable in enumerate(self.training.state):
                variable.assign(file[f"v{i}"])
            self.state = _State(**json.loads(str(file["state"])))
        return True
