"""Training a network through the phases of a method, resumable at every epoch."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from hintlite.errors import HintliteError
from hintlite.files import write_whole
from hintlite.pipeline.data.few_labels import NO_LABEL, labelled_again_and_again
from hintlite.pipeline.data.training_data import TrainingData
from hintlite.pipeline.methods.base import LABELS, PHASES, Method, Phase, with_labels
from hintlite.pipeline.settings.data import AugmentConfig
from hintlite.pipeline.settings.training import TrainingConfig
from hintlite.pipeline.training import checkpoint
from hintlite.pipeline.training.checkpoint import Progress, Row
from hintlite.pipeline.training.distiller import CACHED, Distiller
from hintlite.pipeline.training.feed import ArrayFeed, Cached, Feed
from hintlite.pipeline.training.optimizers import build_optimizer


class TrainingError(HintliteError):
    """A training that cannot go on."""


class Watcher:
    """Is told how a training goes; this one does nothing with it."""

    def step(self, phase: str, epoch: int, epochs: int, step: int, steps: int) -> None:
        """After each step of an epoch; all four count from 1."""

    def epoch(self, phase: str, epoch: int, epochs: int, row: Row) -> None:
        """After each epoch, with its row of the history."""

    def phase_end(self, phase: str) -> None:
        """After each phase, when the weights of its best epoch are in place."""


@dataclass(frozen=True)
class Choices:
    """What a Keras user hands to `compile` and `fit`; each stands in for the settings' own.

    Attributes:
        optimizer: makes a new one for each phase; its learning rate is then its own.
        loss: takes the place of the cross-entropy with the labels, see `Distiller.compile`.
        metrics: Keras metrics or their names, for phases that run the student to its end.
        shows: what loss and metrics are shown, see `Distiller`.
        class_weight: class -> weight of its samples.
    """

    optimizer: Callable[[], keras.optimizers.Optimizer] | None = None
    loss: Any = None
    metrics: tuple[Any, ...] = ()
    shows: str = "logits"
    class_weight: Mapping[int, float] | None = None


@dataclass(frozen=True)
class Job:
    """One network to train.

    Attributes:
        student: network with taps; its weights are changed.
        method: built; says what is minimised.
        teacher: network with taps, or None if the method needs none.
        data: training and validation samples; None where `feed` brings them.
        augmentation: changes made to the training samples.
        config: optimizer, schedule, epochs.
        seed: of shuffling and augmentation.
        folder: where checkpoint.npz and history.csv are kept; None keeps nothing on the disk.
        watcher: is told how it goes.
        callbacks: further Keras callbacks.
        cached: tap of the teacher -> where to look it up (pipeline/cache). A phase all of whose
            teacher taps are here does not run the teacher.
        feed: where the batches come from, if not from `data`.
        choices: the caller's own optimizer, loss and metrics.
    """

    student: keras.Model
    method: Method
    teacher: keras.Model | None
    data: TrainingData | None
    augmentation: AugmentConfig
    config: TrainingConfig
    seed: int
    folder: Path | None
    watcher: Watcher = field(default_factory=Watcher)
    callbacks: tuple[keras.callbacks.Callback, ...] = ()
    cached: Cached = field(default_factory=dict)
    feed: Feed | None = None
    choices: Choices = field(default_factory=Choices)

    @property
    def checkpoint(self) -> Path | None:
        """Where the state is kept, if it is."""
        return None if self.folder is None else self.folder / checkpoint.CHECKPOINT

    @cached_property
    def batches(self) -> Feed:
        """Where the batches come from."""
        if self.feed is not None:
            return self.feed
        assert self.data is not None
        rows = None if self._is_taught else labelled_again_and_again(self.data)
        return ArrayFeed(self.data, self.augmentation, self.config.batch_size, rows=rows)

    @property
    def _is_taught(self) -> bool:
        """Whether a teacher speaks for samples that have no label, or there are none of those."""
        assert self.data is not None
        all_labelled = bool((self.data.labels[self.data.train] != NO_LABEL).all())
        return all_labelled or any(phase.teacher_taps for phase in self.method.phases().values())

    @property
    def class_weight(self) -> Mapping[int, float] | None:
        """Class -> weight of its samples, if they differ."""
        if self.config.class_weights != "balanced" or self.data is None:
            return self.choices.class_weight
        return class_weights(self.data)


def train(job: Job) -> list[Row]:
    """Runs the method's phases, going on from the folder's checkpoint if there is one.

    Each phase ends with the weights of its best epoch on validation data: the best of what
    `TrainingConfig.choose_by` names, then lowest loss, in the task phase; lowest loss in the hint
    phase.

    Returns:
        The history: one row an epoch, with phase, epoch, losses, accuracy and learning rate.

    Raises:
        TrainingError: the loss is no longer a finite number.
    """
    path = job.checkpoint
    resumed = checkpoint.peek(path).phase if path is not None and path.exists() else None
    if resumed is None:
        job.method.prepare(partial(job.batches.teacher_outputs, job.teacher))
    phases = job.method.phases()
    phases["task"] = with_labels(phases["task"], job.config.label_smoothing)
    trained = _trained_variables(job, phases)
    history: list[Row] = []
    for key, phase in phases.items():
        if resumed is not None and PHASES.index(key) < PHASES.index(resumed):
            continue  # complete: its outcome is part of the later phase's checkpoint
        run = _PhaseRun(job, key, phase, trained, history)
        run.fit()
        history = run.progress.history
    return history


def _trained_variables(job: Job, phases: dict[str, Phase]) -> list[Any]:
    """The student's and all extra layers' variables, random states included, each once."""
    layers = [job.student, *(extra for phase in phases.values() for extra in phase.extras)]
    return list({id(v): v for layer in layers for v in layer.variables}.values())


class _PhaseRun(keras.callbacks.Callback):
    """One phase, and after each epoch its history, best weights, checkpoint and patience."""

    def __init__(
        self, job: Job, key: str, phase: Phase, trained: list[Any], history: list[Row]
    ) -> None:
        super().__init__()
        self.job, self.key, self.trained = job, key, trained
        self.epochs = phase.epochs or job.config.epochs
        self.keep = phase.keep
        self.feed, choices = job.batches, job.choices
        self.steps = self.feed.steps
        self.distiller = Distiller(
            job.student, phase, job.teacher, choices.shows, name=f"distiller_{key}"
        )
        self.optimizer = (
            choices.optimizer()
            if choices.optimizer
            else build_optimizer(job.config, self.steps * self.epochs, phase.learning_rate)
        )
        on_labels = any(term.name == LABELS for term in phase.terms)
        self.distiller.compile(
            optimizer=self.optimizer,
            loss=choices.loss if on_labels else None,
            metrics=list(choices.metrics) or None,
            jit_compile=job.config.jit_compile,
        )
        self.distiller.optimizer.build(self.distiller.trainable_variables)
        self.progress = Progress(phase=key, history=list(history))
        self.best: list[np.ndarray] = []

    @property
    def state(self) -> list[Any]:
        """Every variable that decides how the training goes on."""
        return [*self.trained, *self.distiller.optimizer.variables]

    def fit(self) -> None:
        """Trains from the checkpoint, or from the start, to the phase's end."""
        path = self.job.checkpoint
        if path is not None and path.exists() and checkpoint.peek(path).phase == self.key:
            self.progress, self.best = checkpoint.load(path, self.state)
        else:
            self._save()
        if self.progress.epoch < self.epochs and not self._out_of_patience():
            self._fit()
        for variable, weight in zip(self.trained, self.best, strict=True):
            variable.assign(weight)
        self.job.watcher.phase_end(self.key)

    def _save(self) -> None:
        if self.job.folder is not None and self.job.checkpoint is not None:
            checkpoint.save(self.job.checkpoint, self.progress, self.state, self.best)
            if self.progress.history:
                write_history(self.job.folder / "history.csv", self.progress.history)

    def _fit(self) -> None:
        cached = self._cached()
        self.distiller.fit(
            self.feed.training(
                # The phases see different orders: PHASES counts them.
                self.job.seed * len(PHASES) + PHASES.index(self.key),
                self.progress.epoch,
                self.epochs,
                cached,
            ),
            validation_data=self.feed.validation(cached),
            steps_per_epoch=self.steps,
            initial_epoch=self.progress.epoch,
            epochs=self.epochs,
            class_weight=self.job.class_weight,
            callbacks=[self, *self.job.callbacks],
            shuffle=False,  # the feed has shuffled; Keras warns of its own default
            verbose=0,
        )

    def _cached(self) -> Cached:
        """The phase's teacher taps as the Distiller looks for them in a batch; all, or none."""
        wanted, cached = self.distiller.phase.teacher_taps, self.job.cached
        if not wanted <= cached.keys():
            return {}
        return {f"{CACHED}{tap}": cached[tap] for tap in sorted(wanted)}

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Tells the watcher."""
        epoch = self.progress.epoch + 1
        self.job.watcher.step(self.key, epoch, self.epochs, batch + 1, self.steps)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keeps the epoch's outcome; raises TrainingError if it is not a number."""
        logs = {name: float(value) for name, value in (logs or {}).items()}
        if not all(math.isfinite(value) for value in logs.values()):
            raise TrainingError(
                f"the loss is not a finite number in epoch {epoch + 1} of the {self.key} phase: "
                f"lower the learning rate ({self._learning_rate():.2g} now) or set clip_norm"
            )
        row: Row = {
            "phase": self.key,
            "epoch": epoch + 1,
            **logs,
            "learning_rate": self._learning_rate(),
        }
        self.progress.history.append(row)
        self.progress.epoch = epoch + 1
        rank = ranked(row, self.job.config.chosen_by)
        if self.keep == "last" or rank < (self.progress.best or [math.inf]):
            self.progress.best, self.progress.best_epoch = rank, epoch
            self.best = [variable.numpy() for variable in self.trained]
        self._save()
        self.job.watcher.epoch(self.key, epoch + 1, self.epochs, row)
        self.distiller.stop_training = self._out_of_patience()

    def _out_of_patience(self) -> bool:
        patience, progress = self.job.config.patience, self.progress
        if patience is None or progress.best_epoch < 0:
            return False
        return progress.epoch - 1 - progress.best_epoch >= patience

    def _learning_rate(self) -> float:
        return float(keras.ops.convert_to_numpy(self.optimizer.learning_rate))


COLUMNS = {
    "accuracy": "val_accuracy",
    "balanced_accuracy": "val_balanced_accuracy",
    "f1": "val_macro_f1",
}


def ranked(row: Mapping[str, Any], chosen_by: str) -> list[float]:
    """What makes one epoch better than another: a smaller list.

    Args:
        row: of the history.
        chosen_by: one of CHOOSE_BY. By "loss" the labels' cross-entropy counts, since the weights
            of other terms may change over the epochs. A phase without logits goes by its loss.
    """
    loss = float(row["val_loss"])
    if "val_accuracy" not in row:
        return [loss]
    if chosen_by == "loss":
        return [float(row.get("val_ce", loss)), loss]
    return [-float(row[COLUMNS[chosen_by]]), loss]


def class_weights(data: TrainingData) -> dict[int, float]:
    """Class -> n / (classes * count of the class), so that each class weighs the same."""
    counts = np.bincount(data.labels[data.train], minlength=len(data.class_names))
    return {i: float(counts.sum() / (len(counts) * max(n, 1))) for i, n in enumerate(counts)}


def write_history(path: Path, history: list[Row]) -> None:
    """Writes the history as CSV, whole; columns that a phase lacks stay empty."""
    columns = list({name: None for row in history for name in row})
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(history)
    write_whole(path, text.getvalue())
