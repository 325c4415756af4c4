"""Samples as Keras users have them: arrays, or any finite `tf.data.Dataset`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from hintlite.pipeline.app.python.arguments import ArgumentError, class_names, kind_of
from hintlite.pipeline.data.labels import is_text, read_labels
from hintlite.pipeline.data.rows import SampleArray, cast, chunks, is_mapped, with_channels
from hintlite.pipeline.data.spool import Spool

if TYPE_CHECKING:
    import tensorflow as tf

# (x, y), (x, y, sample_weight), or a dataset of such pairs, in batches or one by one.
Data: TypeAlias = "tuple[Any, ...] | tf.data.Dataset"
GATHERED_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Task:
    """What the networks at hand take and tell apart.

    Attributes:
        shape: of one sample, as the model's input has it: (h, w, c); None for a size left open.
        classes: how many.
        names: of the classes, which labels of text are looked up among; None where there are none.
        sorted_names: the names were those of labels, sorted; the caller gave no order.
    """

    shape: tuple[int | None, ...]
    classes: int
    names: tuple[str, ...] | None = None
    sorted_names: bool = False


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples with the values that they came with.

    Attributes:
        inputs: `[n, h, w, c]`, uint8 or float32; in a file where that was asked for and they are
            many.
        labels: int64 `[n]`.
        one_hot: whether the labels came so, which a loss of the caller's may want to see.
        weights: float32 `[n]`, or None.
    """

    inputs: SampleArray
    labels: np.ndarray
    one_hot: bool = False
    weights: np.ndarray | None = None

    @property
    def array(self) -> np.ndarray:
        """The inputs, all of them in memory."""
        return np.asarray(self.inputs)


def named(task: Task, names: Any, data: Data, what: str, argument: str) -> Task:
    """The task with its classes' names, where they have any.

    Args:
        task: of the networks.
        names: of the classes, as the caller gave them; None: labels of text are the names, sorted,
            as `np.unique` and `keras.utils.image_dataset_from_directory` sort them.
        data: the samples whose labels may be text.
        what: their argument's name, for messages.
        argument: that of `names`.

    Raises:
        ArgumentError: another number of names than classes.
    """
    if names is not None:
        return replace(task, names=class_names(names, task.classes, argument))
    labels = None if is_dataset(data) else as_array(_parts(data, what)[1], what)
    if labels is None or not is_text(labels) or labels.size == 0:
        return task
    found = read_labels(labels, len(labels), what).names or ()
    if len(found) != task.classes:
        raise ArgumentError(
            f"{what}: labels of {len(found)} names ({', '.join(found)[:80]}), but the networks "
            f"tell {task.classes} classes apart: give {argument}, in the order of their outputs"
        )
    return replace(task, names=found, sorted_names=True)


def is_dataset(data: Any) -> bool:
    """Whether data is a `tf.data.Dataset`; TensorFlow is there if it is."""
    return hasattr(data, "as_numpy_iterator") and hasattr(data, "element_spec")


def sample_shape(data: Any, rank: int) -> tuple[int, ...] | None:
    """The shape of one sample, without running through the samples; None where it is not known.

    Args:
        data: as of `read_samples`, or the inputs alone.
        rank: axes of one sample, as the model's input has them.
    """
    if is_dataset(data):
        spec = data.element_spec
        shape = getattr(spec[0] if isinstance(spec, tuple) else spec, "shape", None)
        sizes = () if shape is None or shape.rank is None else tuple(shape)[-rank:]
    else:
        inputs = data[0] if isinstance(data, tuple) and data else data
        sizes = as_array(inputs, "train").shape[1:]
        sizes = (*sizes, 1) if len(sizes) == rank - 1 else sizes
    return sizes if len(sizes) == rank and None not in sizes else None


def read_samples(data: Data, task: Task, what: str, mapped: bool = False) -> Samples:
    """Checks samples against the networks, and brings labels into one form.

    Args:
        data: (x, y), (x, y, sample_weight), or a finite dataset of such, batched or not.
        task: of the networks.
        what: the argument's name, for messages.
        mapped: whether samples that are too many for memory go into a file, or stay in theirs.

    Raises:
        ArgumentError: another form or shape, no samples, values that are not finite.
        CacheError: the disk is too small.
    """
    parts = _gathered(data, task, what, mapped) if is_dataset(data) else _parts(data, what)
    inputs = read_inputs(parts[0], task, what, mapped)
    labels = as_array(parts[1], what)
    if len(labels.shape) == 0 or len(labels) != len(inputs):
        raise ArgumentError(
            f"{what}: {len(inputs)} samples but labels of the shape {list(labels.shape)}; every "
            "sample needs exactly one"
        )
    weights = np.asarray(parts[2], np.float32) if len(parts) > 2 and parts[2] is not None else None
    if weights is not None and weights.shape != (len(inputs),):
        raise ArgumentError(f"{what}: sample weights of the shape {list(weights.shape)}")
    one_hot = is_one_hot(labels)
    return Samples(inputs, class_indices(labels, task, what), one_hot, weights)


def read_inputs(inputs: Any, task: Task, what: str, mapped: bool = False) -> SampleArray:
    """Inputs `[n, ...]` with the values that they have: uint8 as it is, all else as float32.

    Raises:
        ArgumentError: another shape than the networks take, no samples, NaN or infinity.
    """
    array = inputs if mapped and is_mapped(inputs) else as_array(inputs, what)
    if array.dtype.kind not in "fiub":
        raise ArgumentError(
            f"{what}: samples are {array.dtype}, expected numbers of one shape a sample; "
            "np.stack(samples) joins them"
        )
    if array.ndim == len(task.shape) and task.shape[-1] == 1:
        array = with_channels(array)
    fits = array.ndim == len(task.shape) + 1 and all(
        wanted in (None, size) for wanted, size in zip(task.shape, array.shape[1:], strict=True)
    )
    if not fits:
        shape = ", ".join("any" if size is None else str(size) for size in task.shape)
        raise ArgumentError(
            f"{what}: samples have the shape {list(array.shape)}, but the networks take "
            f"[n, {shape}]"
        )
    if len(array) == 0:
        raise ArgumentError(f"{what}: there are no samples")
    if array.dtype == np.uint8:
        return array
    array = cast(array, np.float32)
    finite = np.concatenate(
        [np.isfinite(each).reshape(len(each), -1).all(axis=1) for each in chunks(array)]
    )
    if not finite.all():
        raise ArgumentError(
            f"{what}: sample {int(np.argmin(finite))} holds NaN or infinity ({int((~finite).sum())}"
            " such samples); leave them out or repair them"
        )
    return array


def as_array(values: Any, what: str) -> np.ndarray:
    """Values as an array; lists of unequal lengths are none."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ArgumentError(
            f"{what}: samples or labels of unequal sizes; bring all to one, np.stack(samples)"
        ) from error


def _parts(data: Any, what: str) -> tuple[Any, ...]:
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise ArgumentError(
            f"{what}: expected (x, y), (x, y, sample_weight) or a tf.data.Dataset of such pairs, "
            f"got {kind_of(data)}"
        )
    return tuple(data)


def _gathered(data: Any, task: Task, what: str, mapped: bool) -> tuple[SampleArray, ...]:
    batched = in_batches(data, task, what, GATHERED_AT_ONCE)
    with Spool(what, least_bytes=None if mapped else np.inf) as spool:
        others = []
        for inputs, *rest in batched.as_numpy_iterator():
            spool.add(inputs)
            others.append(rest)
        if not others:
            raise ArgumentError(
                f"{what}: the dataset holds no samples; check its filters and paths"
            )
        columns = (np.concatenate(column) for column in zip(*others, strict=True))
        return spool.array(), *columns


def in_batches(data: Any, task: Task, what: str, batch_size: int) -> tf.data.Dataset:
    """A dataset in batches, whether it came so or not.

    Args:
        data: finite dataset of (x, labels) or (x, labels, sample_weight).
        task: of the networks, whose input tells a sample from a batch.
        what: the argument's name, for messages.
        batch_size: for one that came sample by sample.

    Raises:
        ArgumentError: endless, or elements of another form.
    """
    import tensorflow as tf

    if int(data.cardinality()) == int(tf.data.INFINITE_CARDINALITY):
        raise ArgumentError(f"{what}: the dataset has no end; leave repeat() out or add take(n)")
    spec = data.element_spec
    sound = isinstance(spec, tuple) and len(spec) in (2, 3)
    if not sound or not all(isinstance(part, tf.TensorSpec) for part in spec):
        raise ArgumentError(
            f"{what}: the dataset's elements are {spec}, expected (image, label) or (image, label, "
            "weight); map() makes such"
        )
    if spec[1].dtype == tf.string:
        raise ArgumentError(
            f"{what}: the dataset's labels are text; map() them to class indices, in the order of "
            "the networks' outputs (arrays may have labels of text)"
        )
    rank = spec[0].shape.rank
    if rank is None:
        raise ArgumentError(f"{what}: shapes are unknown; state them with tf.ensure_shape in map()")
    if rank == len(task.shape):
        return data.batch(batch_size)
    return data


def class_indices(labels: np.ndarray, task: Task, what: str) -> np.ndarray:
    """Indices int64 `[n]` of labels in any form of `read_labels`.

    Args:
        labels: whole numbers `[n]` or `[n, 1]` (as floats too), one-hot `[n, classes]`, or names.
        task: of the networks.
        what: where they come from, for the message.

    Raises:
        DataError: several classes a sample, shares of classes, fractions, an unknown name.
        ArgumentError: names where none are known, numbers beside names whose order nobody gave, or
            a class beyond those of the networks.
    """
    classes = task.classes
    if is_text(labels):
        if task.names is None:
            raise ArgumentError(
                f"{what}: labels are text, but nothing tells the order of the classes: give "
                "class indices; names, y = np.unique(labels, return_inverse=True) makes them"
            )
        return read_labels(labels, len(labels), what, task.names).values
    if task.sorted_names:
        raise ArgumentError(
            f"{what}: labels are numbers, but others are names, whose order may be another: give "
            "names to all of them, or say their order with class_names"
        )
    if is_one_hot(labels) and labels.shape[1] != classes:
        raise ArgumentError(
            f"{what}: one-hot labels of {labels.shape[1]} classes, but the networks tell {classes} "
            "apart"
        )
    values = read_labels(labels, len(labels), what).values
    beyond = values >= classes
    if beyond.any():
        row = int(beyond.argmax())
        raise ArgumentError(
            f"{what}: label {values[row]} in row {row}, but the networks tell {classes} classes "
            f"apart, 0 to {classes - 1}"
        )
    return values


def is_one_hot(labels: Any) -> bool:
    """Whether labels have a number for each class."""
    return len(labels.shape) == 2 and labels.shape[1] != 1
