"""Where the batches of a training come from: samples in memory, or a `tf.data.Dataset`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops

from hintlite.models.fold import folded
from hintlite.models.taps import subnetwork
from hintlite.pipeline.cache.teacher_pass import teacher_pass
from hintlite.pipeline.data.batches import (
    Lookup,
    evaluation_batches,
    steps_per_epoch,
    training_batches,
)
from hintlite.pipeline.data.rows import batch_of
from hintlite.pipeline.data.training_data import TrainingData
from hintlite.pipeline.methods.base import MethodError, Tensor
from hintlite.pipeline.settings.data import AugmentConfig

Cached = Mapping[str, "np.ndarray | Lookup"]


class Feed(Protocol):
    """What a training asks of its samples."""

    @property
    def samples(self) -> int:
        """Rows that samples are numbered by, for memories of each; 0 where they are not."""

    @property
    def steps(self) -> int:
        """Batches of an epoch."""

    def training(self, seed: int, initial_epoch: int, epochs: int, cached: Cached) -> Any:
        """One dataset through the epochs initial_epoch to epochs - 1, in order."""

    def validation(self, cached: Cached) -> Any:
        """The validation samples, each once."""

    def teacher_outputs(self, teacher: keras.Model | None, taps: Any) -> Iterator[dict[str, Any]]:
        """The teacher's outputs for the training samples, a batch at a time."""


@dataclass(frozen=True, eq=False)
class ArrayFeed:
    """Samples in memory: shuffled by (seed, epoch), augmented, with numbered rows.

    Args:
        data: the samples, divided.
        augmentation: changes made to training images.
        batch_size: images a step; less where there are fewer.
        sample_weights: float `[n]`, aligned with data.images; None where all weigh the same.
        one_hot: classes, where a loss of the caller's wants to see such labels; 0: indices.
        rows: int64, rows of data.images that are trained on, some of them several times; None:
            data.train, each once.
    """

    data: TrainingData
    augmentation: AugmentConfig
    batch_size: int
    sample_weights: np.ndarray | None = None
    one_hot: int = 0
    rows: np.ndarray | None = None

    @property
    def samples(self) -> int:
        """Rows of the arrays."""
        return len(self.data.images)

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return steps_per_epoch(len(self.data.train), self._batch)

    @property
    def _batch(self) -> int:
        return min(self.batch_size, len(self.data.train))

    def training(self, seed: int, initial_epoch: int, epochs: int, cached: Cached) -> Any:
        """See `training_batches`."""
        return self._labelled(
            training_batches(
                self.data,
                self.data.train if self.rows is None else self.rows,
                batch_size=self._batch,
                seed=seed,
                augmentation=self.augmentation,
                epochs=epochs,
                initial_epoch=initial_epoch,
                extras=cached,
                sample_weights=self.sample_weights,
            )
        )

    def validation(self, cached: Cached) -> Any:
        """See `evaluation_batches`."""
        data = self.data
        return self._labelled(
            evaluation_batches(
                data.images,
                data.labels,
                data.validation,
                batch_of(data.images.shape[1:]),
                data.normalization,
                cached,
            )
        )

    def _labelled(self, batches: Any) -> Any:
        """The batches with labels in the form that is asked for."""
        if not self.one_hot:
            return batches
        return batches.map(lambda x, y, *weights: (x, ops.one_hot(y, self.one_hot), *weights))

    def teacher_outputs(self, teacher: keras.Model | None, taps: Any) -> Iterator[dict[str, Any]]:
        """See `teacher_pass`."""
        return teacher_pass(teacher, self.data, taps)


@dataclass(frozen=True, eq=False)
class DatasetFeed:
    """Datasets as they are: run through once an epoch, so that what they draw is drawn anew.

    Args:
        train: finite tf.data.Dataset of batches (x, labels) or (x, labels, sample_weight).
        held_out: the same for validation.
        steps: batches of `train`.
    """

    train: Any
    held_out: Any
    steps: int
    samples: int = 0

    def training(self, seed: int, initial_epoch: int, epochs: int, cached: Cached) -> Any:
        """The dataset, repeated; shuffling is its own."""
        del seed, cached
        return self.train.repeat(max(epochs - initial_epoch, 1))

    def validation(self, cached: Cached) -> Any:
        """The dataset."""
        del cached
        return self.held_out

    def teacher_outputs(self, teacher: keras.Model | None, taps: Any) -> Iterator[dict[str, Any]]:
        """One pass over the dataset.

        Raises:
            MethodError: there is no teacher.
        """
        if teacher is None:
            raise MethodError(f"the method looks at the teacher's taps {sorted(taps)}: give one")
        network = folded(subnetwork(teacher, sorted(taps)))
        for batch in self.train:
            yield _in_float32(network(batch[0], training=False))


def _in_float32(outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: ops.cast(tap, "float32") for name, tap in outputs.items()}
