"""The test part. The evaluate stage opens it, once; nothing else imports this module."""

from __future__ import annotations

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.checks import check_range
from hintlite.pipeline.data.disk import Disk
from hintlite.pipeline.data.load import test_part
from hintlite.pipeline.data.sources.dispatch import open_source
from hintlite.pipeline.data.sources.source import Labelled, Pool, Source
from hintlite.pipeline.data.training_data import KeptData
from hintlite.pipeline.settings.data import DataConfig


def load_test(
    config: DataConfig,
    training: KeptData,
    source: Source | None = None,
    disk: Disk | None = None,
) -> Labelled:
    """Reads the test part that belongs to a training part.

    Args:
        config: the settings that `training` was loaded with.
        training: for the shape, the type and the classes, and for the rows that were set aside.
        source: the caller's own data, where `training` was loaded from it.
        disk: where samples are kept that are too many for memory; None reads all into memory.

    Returns:
        Raw test samples; their rows are those of the source's test set, or of the source where
        the test part was split off.

    Raises:
        DataError: no readable test data, or samples unlike those of training.
    """
    pool = open_source(config, source, disk)
    if pool.read_test is None:
        test = _set_aside(pool, config, training)
    else:
        test = pool.read_test(training.input_shape)
    _check_alike(test, training, pool.place)
    return test


def _set_aside(pool: Pool, config: DataConfig, training: KeptData) -> Labelled:
    """The part that load_training set aside, provided that the source is still the same."""
    rows = test_part(pool, config)
    if not np.array_equal(rows, training.test_rows):
        raise DataError(
            f"{pool.place}: another test part than at training, so the samples or the settings "
            "have changed; train again, or restore them"
        )
    images, _ = pool.read(rows, training.input_shape)
    return Labelled(images, pool.labels[rows], rows)


def _check_alike(test: Labelled, training: KeptData, place: str) -> None:
    place = f"{place} (test)"
    if test.images.shape[1:] != training.input_shape:
        raise DataError(
            f"{place}: images are {list(test.images.shape[1:])}, expected "
            f"{list(training.input_shape)} as in training; bring them to that shape"
        )
    if test.images.dtype != training.images.dtype:
        raise DataError(
            f"{place}: images are {test.images.dtype}, expected {training.raw_dtype} as in "
            "training; save both parts with one type"
        )
    check_range(test.labels, training.class_names, place)
