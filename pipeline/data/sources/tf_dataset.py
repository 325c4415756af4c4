"""Any finite tf.data.Dataset of (image, label), gathered into arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.sources.arrays import pool_of_arrays
from hintlite.pipeline.data.sources.source import Pool, Source
from hintlite.pipeline.settings.data import DataConfig

GATHERED_AT_ONCE = 256


def from_tf_dataset(
    train: Any,
    test: Any | None = None,
    class_names: Sequence[str] | None = None,
    raw_max: float | None = None,
) -> Source:
    """Makes a source of datasets, for `load_training(config, source)`.

    The training dataset is run through once, here; the test dataset when the test data is asked
    for. Leave shuffle() out: the order decides which sample goes to which part.

    Args:
        train: finite tf.data.Dataset of (image, label), batched or not; images [h, w] or
            [h, w, c], labels whole numbers from 0.
        test: the same, kept for the one evaluation; a part is split off train without it.
        class_names: one a label value; the numbers themselves by default.
        raw_max: the raw value of full brightness, where it is not uint8's 255.

    Returns:
        The source.

    Raises:
        DataError: endless, empty, other elements, or samples that checks.py refuses.
    """
    images, labels = _gathered(train, "the training dataset")
    read_test = None if test is None else (lambda: _gathered(test, "the test dataset"))
    pool = pool_of_arrays(
        images, labels, "the training dataset", class_names, raw_max, read_test=read_test
    )

    def source(_config: DataConfig) -> Pool:
        return pool

    return source


def _gathered(dataset: Any, place: str) -> tuple[np.ndarray, np.ndarray]:
    """Runs through a dataset: images [n, ...], labels [n, ...]."""
    import tensorflow as tf

    _check_finite(dataset, place)
    if not _is_batched(dataset, place):
        dataset = dataset.batch(GATHERED_AT_ONCE)
    try:
        batches = list(dataset.as_numpy_iterator())
    except tf.errors.InvalidArgumentError as error:
        raise DataError(
            f"{place}: cannot be gathered ({error.message.splitlines()[0]}); map every image to "
            "one size and type, for instance with tf.image.resize"
        ) from error
    if not batches:
        raise DataError(f"{place}: holds no samples; check its filters and paths")
    return _joined([x for x, _ in batches], place), _joined([y for _, y in batches], place)


def _check_finite(dataset: Any, place: str) -> None:
    import tensorflow as tf

    if not isinstance(dataset, tf.data.Dataset):
        raise DataError(
            f"{place}: a {type(dataset).__name__}, expected a tf.data.Dataset; make one with "
            "tf.data.Dataset.from_tensor_slices((images, labels))"
        )
    if int(dataset.cardinality()) == int(tf.data.INFINITE_CARDINALITY):
        raise DataError(f"{place}: has no end; leave repeat() out or add take(n)")


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
    if spec[1].dtype.is_floating or not image[:1].is_compatible_with(label[:1]):
        raise DataError(
            f"{place}: labels are {spec[1].dtype.name} {label}, which looks one-hot; expected "
            "whole numbers: .map(lambda image, label: (image, tf.argmax(label, -1)))"
        )
    return True


def _kind(spec: Any) -> str:
    if isinstance(spec, dict):
        return "dicts with " + ", ".join(str(key) for key in spec)
    return f"{len(spec)}-tuples" if isinstance(spec, tuple) else "single values"


def _joined(parts: list[np.ndarray], place: str) -> np.ndarray:
    shapes = {part.shape[1:] for part in parts}
    if len(shapes) > 1:
        raise DataError(
            f"{place}: batches of shapes {', '.join(str(list(s)) for s in sorted(shapes))}; map "
            "every image to one size, for instance with tf.image.resize"
        )
    return np.concatenate(parts)
