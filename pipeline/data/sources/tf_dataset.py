"""Any finite tf.data.Dataset of (image, label), gathered into an array or a file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.rows import SampleArray
from hintlite.pipeline.data.sources.arrays import pool_of_arrays, source_of_kinds
from hintlite.pipeline.data.sources.source import Pool, Source
from hintlite.pipeline.data.spool import BUDGET_GB, Spool
from hintlite.pipeline.settings.data import SampleKind

GATHERED_AT_ONCE = 256
FEWER = "end it with take(n)"


def from_tf_dataset(
    train: Any,
    test: Any | None = None,
    class_names: Sequence[str] | None = None,
    raw_max: float | None = None,
    name: str = "tf.data.Dataset",
    folder: str | Path | None = None,
    budget_gb: float = BUDGET_GB,
) -> Source:
    """Makes a source of datasets, for `load_training(config, source)`.

    The training dataset is run through once, here; the test dataset when the test data is asked
    for. Leave shuffle() out: the order decides which sample goes to which part. Samples of 128 MB
    and more go into a file as they come, which is there as long as the source.

    Args:
        train: finite tf.data.Dataset of (image, label), batched or not; images [h, w] or
            [h, w, c], series [time, channels] or rows [features], labels whole numbers from 0,
            text, or one-hot [classes].
        test: the same, kept for the one evaluation; a part is split off train without it.
        class_names: one a label value; by default the labels' own names, or the numbers.
        raw_max: the raw value of full brightness, where it is not uint8's 255.
        name: what the samples are called on the terminal and in reports.
        folder: of the file; the system's for temporary files if None.
        budget_gb: the most that a file may take, in GB of 10^9 bytes.

    Returns:
        The source.

    Raises:
        CacheError: the budget or the disk is too small.
        DataError: endless, empty, other elements, or samples that cannot be used.
    """
    kept = folder, budget_gb
    images, labels = _gathered(train, "the training dataset", kept)
    if test is not None:
        _check_finite(test, "the test dataset")
        _is_batched(test, "the test dataset")

    def pool(kind: SampleKind | None) -> Pool:
        return pool_of_arrays(
            images,
            labels,
            "the training dataset",
            class_names,
            raw_max,
            read_test=None if test is None else partial(_gathered, test, "the test dataset", kept),
            name=name,
            kind=kind,
        )

    return source_of_kinds(pool, name)


def _gathered(
    dataset: Any, place: str, kept: tuple[str | Path | None, float]
) -> tuple[SampleArray, np.ndarray]:
    """Runs through a dataset: images [n, ...], labels [n, ...]."""
    import tensorflow as tf

    _check_finite(dataset, place)
    count = int(dataset.cardinality())
    if not _is_batched(dataset, place):
        dataset = dataset.batch(GATHERED_AT_ONCE)
        count = -(-count // GATHERED_AT_ONCE)
    labels: list[np.ndarray] = []
    first: np.ndarray | None = None
    with Spool(place, *kept, fewer=FEWER) as spool:
        try:
            for images, marks in dataset.as_numpy_iterator():
                if first is None:
                    first = images
                    spool.require((count - 1) * images.nbytes)
                _check_alike(place, first, images)
                spool.add(images)
                labels.append(marks)
        except tf.errors.InvalidArgumentError as error:
            raise DataError(
                f"{place}: cannot be gathered ({error.message.splitlines()[0]}); map every image "
                "to one size and type, for instance with tf.image.resize"
            ) from error
        if first is None:
            raise DataError(f"{place}: holds no samples; check its filters and paths")
        return spool.array(), np.concatenate(labels)


def _check_finite(dataset: Any, place: str) -> None:
    import tensorflow as tf

    if not isinstance(dataset, tf.data.Dataset):
        raise DataError(
            f"{place}: a {type(dataset).__name__}, expected a tf.data.Dataset; make one with "
            "tf.data.Dataset.from_tensor_slices((images, labels))"
        )
    if int(dataset.cardinality()) == int(tf.data.INFINITE_CARDINALITY):
        raise DataError(
            f"{place}: has no end; leave repeat() out, or say with take(n) how many samples one "
            "pass has (steps of a training are counted from that)"
        )


def _is_batched(dataset: Any, place: str) -> bool:
    """Tells from the labels whether an element is a sample or a batch of them."""
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2 or not all(hasattr(s, "shape") for s in spec):
        raise DataError(
            f"{place}: elements are {_kind(spec)}, expected (image, label); use .map() to make "
            "such pairs"
        )
    image, label = spec[0].shape, spec[1].shape
    if image.rank is None or label.rank is None:
        raise DataError(
            f"{place}: shapes are unknown (py_function?); state them with tensor.set_shape or "
            "tf.ensure_shape in a .map()"
        )
    if label.rank == 0:
        return False
    if image.rank == 4 or label.rank == 2:
        return True
    if image.rank == 2 or (label[0] is not None and image[0] != label[0]):
        return False  # one-hot
    if label[0] is not None:
        raise DataError(
            f"{place}: images {image} with labels {label} may be one coloured picture with a "
            f"one-hot label, or a batch of {label[0]} grey ones; use .batch(32), or give grey "
            "pictures their axis of channels"
        )
    return True


def _kind(spec: Any) -> str:
    if isinstance(spec, dict):
        return "dicts with " + ", ".join(str(key) for key in spec)
    return f"{len(spec)}-tuples" if isinstance(spec, tuple) else "single values"


def _check_alike(place: str, first: np.ndarray, images: np.ndarray) -> None:
    if first.shape[1:] != images.shape[1:]:
        shapes = sorted({first.shape[1:], images.shape[1:]})
        raise DataError(
            f"{place}: batches of shapes {', '.join(str(list(s)) for s in shapes)}; map every "
            "image to one size, for instance with tf.image.resize"
        )
