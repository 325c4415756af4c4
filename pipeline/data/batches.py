"""Batches as tf.data: whole batches are gathered, so that the input never holds up the training.

An element is ({"image": float32 [b, ...], "index": int64 [b], ...extras}, labels int64 [b]),
with sample weights as a third part where they are given. "index" is a row of the images handed in.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from hintlite.errors import DataError
from hintlite.pipeline.data.augment import (
    GENERATOR,
    PLAIN,
    augment,
    change_fed,
    drawn_views,
)
from hintlite.pipeline.data.normalization import Normalization
from hintlite.pipeline.data.rows import SampleArray, is_mapped
from hintlite.pipeline.data.training_data import TrainingData
from hintlite.pipeline.settings.data import AugmentConfig

# Batches made at the same time, and batches kept ready: so many, but of no more than so many bytes.
PARALLEL, PREFETCHED, READY_BYTES = max(2, os.cpu_count() or 1), 4, 2**26


class Lookup(Protocol):
    """Something aligned with the images that is looked up batch by batch, view by view."""

    def __len__(self) -> int:
        """Its number of rows."""

    def gather(self, rows: Any, views: Any) -> Any:
        """The rows int64 [b], each as seen in its view int32 [b] (see augment), as [b, ...]."""


Extras = Mapping[str, "np.ndarray | Lookup"]


def steps_per_epoch(samples: int, batch_size: int, drop_remainder: bool = False) -> int:
    """The number of batches that an epoch has."""
    return samples // batch_size if drop_remainder else -(-samples // batch_size)


def training_batches(  # noqa: PLR0913 - the settings of one training, each by its name
    data: TrainingData,
    indices: np.ndarray,
    *,
    batch_size: int,
    seed: int,
    augmentation: AugmentConfig,
    epochs: int,
    initial_epoch: int = 0,
    extras: Extras | None = None,
    sample_weights: np.ndarray | None = None,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """One dataset through the epochs initial_epoch to epochs - 1, in order.

    The order within an epoch depends on (seed, epoch) alone, the augmentation of a batch on
    (seed, epoch, step): a training that goes on at epoch k sees what it would have seen anyway.
    Give it to `fit` with `steps_per_epoch` and the same `initial_epoch` and `epochs`.

    Args:
        data: the samples.
        indices: the rows of data.images that are trained on.
        batch_size: images a batch; the last one of an epoch may be smaller.
        seed: decides order and augmentation.
        augmentation: changes to the images.
        epochs: the epoch to stop before.
        initial_epoch: the epoch to begin with.
        extras: arrays [n, ...] aligned with data.images, handed out beside the image; or lookups,
            which are told the view that was drawn for each image.
        sample_weights: float [n], aligned with data.images.
        drop_remainder: leave out the last batch of an epoch where it is smaller.

    Raises:
        DataError: no batch to give, or arrays that are not aligned.
    """
    steps = steps_per_epoch(len(indices), batch_size, drop_remainder)
    if steps == 0:
        raise DataError(
            f"batches: {len(indices)} samples make no batch of {batch_size}; set batch_size to "
            f"{max(len(indices), 1)} or less"
        )
    store = _Store.of(data.images, data.labels, extras, sample_weights)
    feed, pictures = data.normalization.apply_tensor, data.images.ndim == 4

    def batch(epoch: Any, step: Any, rows: Any) -> Any:
        key = tf.random.fold_in(tf.stack([seed, epoch]), step, alg=GENERATOR)
        if pictures:
            views = drawn_views(tf.shape(rows)[0], augmentation, key)
            return store.element(rows, views, lambda raw: feed(augment(raw, augmentation, key)))
        views = tf.fill(tf.shape(rows), PLAIN)
        return store.element(rows, views, lambda raw: change_fed(feed(raw), augmentation, key))

    order = _order(indices, batch_size, seed, range(initial_epoch, epochs), steps)
    return _finished(order, batch, steps * max(epochs - initial_epoch, 0), store, batch_size)


def evaluation_batches(
    images: SampleArray,
    labels: np.ndarray,
    indices: np.ndarray,
    batch_size: int,
    normalization: Normalization,
    extras: Extras | None = None,
) -> tf.data.Dataset:
    """Each of the rows once, in the order given, unchanged.

    Args:
        images: raw samples [n, ...].
        labels: int64 [n].
        indices: the rows wanted.
        batch_size: images a batch; the last one may be smaller.
        normalization: from raw values to a network's input.
        extras: arrays [n, ...] or lookups aligned with images, handed out beside the image.

    Raises:
        DataError: arrays that are not aligned.
    """
    store = _Store.of(images, labels, extras, None)
    steps = steps_per_epoch(len(indices), batch_size)
    with tf.device("CPU:0"):
        rows = tf.constant(indices, tf.int64)

    def batch(step: Any) -> Any:
        wanted = rows[step * batch_size : (step + 1) * batch_size]
        views = tf.fill(tf.shape(wanted), PLAIN)
        return store.element(wanted, views, normalization.apply_tensor)

    return _finished(tf.data.Dataset.range(steps), batch, steps, store, batch_size)


def _order(
    indices: np.ndarray, batch_size: int, seed: int, epochs: range, steps: int
) -> tf.data.Dataset:
    """(epoch, step, rows of the batch), each epoch in an order of its own."""
    with tf.device("CPU:0"):
        rows = tf.constant(indices, tf.int64)

    def of_epoch(epoch: Any) -> tf.data.Dataset:
        key = tf.stack([seed, epoch])
        shuffled = tf.random.experimental.stateless_shuffle(rows, key, alg=GENERATOR)
        return tf.data.Dataset.range(steps).map(
            lambda step: (epoch, step, shuffled[step * batch_size : (step + 1) * batch_size])
        )

    return tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(of_epoch)


def _finished(
    order: tf.data.Dataset, batch: Any, length: int, store: _Store, batch_size: int
) -> tf.data.Dataset:
    """The batches of an order, made before they are asked for as far as memory allows."""
    one = 4 * batch_size * int(np.prod(store.shape, dtype=np.int64))
    room = max(READY_BYTES // max(one, 1), 1)
    dataset = order.map(batch, num_parallel_calls=min(PARALLEL, room))
    options = tf.data.Options()
    options.deterministic = True
    # Its thread sleeps for up to a minute and is waited for when an iterator ends: it made the end
    # of each training, and of each validation, up to twice as long.
    options.autotune.enabled = False
    counted = dataset.apply(tf.data.experimental.assert_cardinality(length))
    return counted.with_options(options).prefetch(min(PREFETCHED, room))


@dataclass(frozen=True, eq=False)
class _Store:
    """All samples, and the way from rows to an element."""

    images: Lookup
    shape: tuple[int, ...]
    labels: Any
    extras: dict[str, Lookup]
    weights: Any | None

    @classmethod
    def of(
        cls,
        images: SampleArray,
        labels: np.ndarray,
        extras: Extras | None,
        weights: np.ndarray | None,
    ) -> _Store:
        """Checks that everything has one row an image, and makes tensors of it."""
        extras = dict(extras or {})
        aligned = {"labels": labels, "sample_weights": weights, **extras}
        for name, array in aligned.items():
            if array is not None and len(array) != len(images):
                raise DataError(
                    f"batches: {name} has {len(array)} rows, expected {len(images)}, one an image"
                )
        taken = {"image", "index"} & set(extras)
        if taken:
            raise DataError(f"batches: an extra cannot be named {taken.pop()!r}; rename it")
        # On the main memory's side, whatever accelerator there is: batches are made there.
        with tf.device("CPU:0"):
            return cls(
                images=_OnDisk(images) if is_mapped(images) else _InMemory(tf.constant(images)),
                shape=images.shape[1:],
                labels=tf.constant(labels, tf.int64),
                extras={name: _lookup(extra) for name, extra in extras.items()},
                weights=None if weights is None else tf.constant(weights, tf.float32),
            )

    def element(self, rows: Any, views: Any, fed: Any) -> Any:
        """Gathers the rows and makes of the raw samples what is fed."""
        samples = fed(self.images.gather(rows, views))
        x = {"image": tf.ensure_shape(samples, [None, *self.shape]), "index": rows}
        x |= {name: extra.gather(rows, views) for name, extra in self.extras.items()}
        labels = tf.gather(self.labels, rows)
        if self.weights is None:
            return x, labels
        return x, labels, tf.gather(self.weights, rows)


def _lookup(extra: np.ndarray | Lookup) -> Lookup:
    return _InMemory(tf.constant(extra)) if isinstance(extra, np.ndarray) else extra


@dataclass(frozen=True, eq=False)
class _InMemory:
    """An array that is the same in every view."""

    tensor: Any

    def __len__(self) -> int:
        return int(self.tensor.shape[0])

    def gather(self, rows: Any, views: Any) -> Any:
        del views
        return tf.gather(self.tensor, rows)


@dataclass(frozen=True, eq=False)
class _OnDisk:
    """SampleArray in a file that is mapped into memory, the same in every view."""

    samples: SampleArray

    def __len__(self) -> int:
        return len(self.samples)

    def gather(self, rows: Any, views: Any) -> Any:
        del views
        found = tf.numpy_function(
            self.samples.__getitem__, [rows], self.samples.dtype, stateful=False
        )
        return tf.ensure_shape(found, [None, *self.samples.shape[1:]])
