"""Datasets that are trained on as they are, without gathering them in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hintlite.pipeline.app.python.arguments import ArgumentError
from hintlite.pipeline.app.python.samples import Data, Task, in_batches, is_dataset

if TYPE_CHECKING:
    import tensorflow as tf

    from hintlite.pipeline.training.feed import DatasetFeed


def dataset_feed(train: Any, validation: Data | float, task: Task, batch_size: int) -> DatasetFeed:
    """Both parts as the training reads them.

    Args:
        train: a finite dataset of (x, labels) or (x, labels, weight), batched or not.
        validation: the same, or arrays.
        task: of the networks.
        batch_size: for parts that come sample by sample.

    Raises:
        ArgumentError: a share of the dataset for validation, an endless or an empty dataset.
    """
    from hintlite.pipeline.training.feed import DatasetFeed

    if isinstance(validation, (int, float)):
        raise ArgumentError(
            f"validation: {validation!r} of a dataset cannot be set aside, since its order may "
            "change from epoch to epoch; give a dataset or arrays of other samples"
        )
    batches = _checked(in_batches(train, task, "train", batch_size), task, "train")
    steps = _count(batches, "train")
    return DatasetFeed(batches, _held_out(validation, task, batch_size), steps)


def _held_out(validation: Data, task: Task, batch_size: int) -> tf.data.Dataset:
    import tensorflow as tf

    from hintlite.pipeline.app.python.samples import read_samples

    if not is_dataset(validation):
        read = read_samples(validation, task, "validation")
        validation = tf.data.Dataset.from_tensor_slices((read.inputs, read.labels))
    batches = in_batches(validation, task, "validation", batch_size)
    return _checked(batches, task, "validation")


def _count(batches: tf.data.Dataset, what: str) -> int:
    """The batches of an epoch; run through once where the dataset does not know."""
    known = int(batches.cardinality())
    count = known if known >= 0 else sum(1 for _ in batches)
    if count == 0:
        raise ArgumentError(f"{what}: the dataset holds no samples; check its filters and paths")
    return count


def _checked(batches: tf.data.Dataset, task: Task, what: str) -> tf.data.Dataset:
    """The batches, with labels that are looked at as they come."""
    import tensorflow as tf

    from hintlite.pipeline.training.label_loss import class_indices

    def check(inputs: Any, labels: Any, *weights: Any) -> Any:
        tf.debugging.assert_equal(
            tf.shape(inputs)[1:],
            [size if size else tf.shape(inputs)[i + 1] for i, size in enumerate(task.shape)],
            f"{what}: samples have another shape than the networks take, {list(task.shape)}",
        )
        if len(labels.shape) == 2 and labels.shape[1] != 1:
            _check_one_hot(labels, task, what)
            indices = class_indices(labels)
        else:
            labels = indices = tf.cast(class_indices(labels), tf.int64)
        tf.debugging.assert_less(
            tf.cast(indices, tf.int64),
            tf.constant(task.classes, tf.int64),
            f"{what}: a label lies beyond the {task.classes} classes of the networks",
        )
        return (tf.cast(inputs, tf.float32), labels, *weights)

    return batches.map(check, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(
        tf.data.AUTOTUNE
    )


def _check_one_hot(labels: Any, task: Task, what: str) -> None:
    import tensorflow as tf

    if labels.shape[1] != task.classes:
        raise ArgumentError(
            f"{what}: one-hot labels of {labels.shape[1]} classes, but the networks tell "
            f"{task.classes} apart"
        )
    values = tf.cast(labels, tf.float32)
    tf.debugging.assert_equal(
        (tf.reduce_max(values, axis=1), tf.math.count_nonzero(values, axis=1, dtype=tf.float32)),
        (tf.ones_like(values[:, 0]), tf.ones_like(values[:, 0])),
        f"{what}: labels are shares of classes, or several classes a sample; expected a single 1 "
        "among zeros",
    )
