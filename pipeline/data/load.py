"""Training data, divided; the way to the test part is pipeline/data/held_out.py."""

from __future__ import annotations

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.checks import check_enough
from hintlite.pipeline.data.copies import remarks
from hintlite.pipeline.data.disk import Disk
from hintlite.pipeline.data.groups import check_apart, grouped
from hintlite.pipeline.data.kinds import BY_RANK
from hintlite.pipeline.data.normalization import (
    GIVEN,
    Normalization,
    fit_normalization,
    given_normalization,
)
from hintlite.pipeline.data.rows import SampleArray, lazy
from hintlite.pipeline.data.sources.dispatch import open_source
from hintlite.pipeline.data.sources.source import Pool, Shape, Source
from hintlite.pipeline.data.splits import balanced, random, stratified
from hintlite.pipeline.data.training_data import TrainingData, fingerprint
from hintlite.pipeline.data.value_range import (
    ValueRange,
    explain,
    fed_kind,
    refuse_nonsense,
    value_range,
)
from hintlite.pipeline.settings.data import AugmentConfig, DataConfig


def load_training(
    config: DataConfig, source: Source | None = None, disk: Disk | None = None
) -> TrainingData:
    """Reads and divides everything but the test part.

    A source with a test set of its own keeps it closed. Of any other, a stratified part is set
    aside first; of the rest `limit` samples are taken, and of these the validation part is split
    off, where the source has none of its own. The same settings give the same division.

    Args:
        config: the settings.
        source: the caller's own data, from `from_arrays` or `from_tf_dataset`; by default the
            source that the settings name.
        disk: where samples are kept that are too many for memory; None reads all into memory.

    Returns:
        The samples that are trained on or chosen by.

    Raises:
        DataError: samples that cannot be used, or too few of them.
    """
    pool = open_source(config, source, disk)
    test_rows = test_part(pool, config)
    rows = _limited(pool, np.setdiff1d(_undivided(pool), test_rows), config)
    if pool.validation is not None:
        rows = np.union1d(rows, pool.validation)
    labels = pool.labels[rows]
    groups = None if pool.groups is None else pool.groups[rows]
    train, validation = _divided(labels, config, _named_validation(pool, rows), groups, pool)
    calibration, lowered = _calibration(labels, train, config)
    images, read = pool.read(rows, None)
    _check_augmentation(config.augmentation, images.shape[1:])
    values = value_range(images, pool.raw_max, config.value_range, pool.place)
    if config.normalization in ("unit", "signed") and not config.mean:
        refuse_nonsense(values, images.dtype, pool.place)
    kind = GIVEN if config.mean else fed_kind(config.normalization, images, values)
    explained = explain(values, images.dtype, kind)
    copied = remarks(images, labels, train, validation)
    return TrainingData(
        images=images,
        labels=labels,
        class_names=pool.class_names,
        train=train,
        validation=validation,
        calibration=calibration,
        normalization=_normalization(config, lazy(images, train), values, pool.place),
        raw_max=values.full if images.dtype == np.uint8 else None,
        source_rows=rows,
        test_rows=test_rows,
        fingerprint=fingerprint(images, labels, pool.class_names),
        name=pool.name,
        values=values,
        notes=(*pool.notes, *read, explained, *copied, *lowered),
    )


def _normalization(
    config: DataConfig, images: SampleArray, values: ValueRange, place: str
) -> Normalization:
    """What the settings state, or what the training part tells."""
    if config.mean:
        return given_normalization(
            config.mean, config.std, images.shape[-1], "data.mean and data.std"
        )
    kind = fed_kind(config.normalization, images, values)
    return fit_normalization(kind, images, values.taken, place)


def test_part(pool: Pool, config: DataConfig) -> np.ndarray:
    """The rows set aside for the evaluation: none where the source has its own test set.

    Raises:
        DataError: one class only, or a class too small to be in every part.
    """
    parts = ["train"]
    parts += ["validation"] if pool.validation is None else []
    parts += ["test"] if pool.read_test is None else []
    rows = _undivided(pool)
    check_enough(pool.labels[rows], pool.class_names, parts, pool.place)
    if pool.read_test is not None:
        return np.empty(0, np.int64)
    total = round(config.test_fraction * len(rows))
    rng = random(config.split_seed, "test")
    if pool.groups is not None:
        return rows[grouped(pool.labels[rows], pool.groups[rows], total, rng, "test", pool.place)]
    return rows[stratified(pool.labels[rows], total, rng, keep=len(parts) - 1)]


def _undivided(pool: Pool) -> np.ndarray:
    """The rows that the source has not kept for choices itself."""
    rows = np.arange(len(pool.labels))
    return rows if pool.validation is None else np.setdiff1d(rows, pool.validation)


def _limited(pool: Pool, rows: np.ndarray, config: DataConfig) -> np.ndarray:
    """The rows that `limit` leaves, each class in proportion."""
    if config.limit is None:
        return rows
    least = 2 * len(pool.class_names)
    if not least <= config.limit <= len(rows):
        raise DataError(
            f"{pool.place}: data.limit is {config.limit}, expected {least} (two a class, to train "
            f"and to validate) to {len(rows)} (all that the test part leaves); leave it out to "
            "use all"
        )
    rng = random(config.split_seed, "limit")
    return rows[stratified(pool.labels[rows], config.limit, rng, least=2, keep=0)]


def _named_validation(pool: Pool, rows: np.ndarray) -> np.ndarray | None:
    """Where in `rows` the samples stand that the source keeps for choices."""
    if pool.validation is None:
        return None
    return np.flatnonzero(np.isin(rows, pool.validation))


def _divided(
    labels: np.ndarray,
    config: DataConfig,
    validation: np.ndarray | None,
    groups: np.ndarray | None,
    pool: Pool,
) -> tuple[np.ndarray, np.ndarray]:
    """Train and validation as rows of labels; the validation part is drawn, if it is not named."""
    if validation is None:
        total = round(config.validation_fraction * len(labels))
        rng = random(config.split_seed, "validation")
        if groups is None:
            validation = stratified(labels, total, rng)
        else:
            validation = grouped(labels, groups, total, rng, "validation", pool.place)
    elif groups is not None:
        check_apart(groups, validation, pool.place)
    return np.setdiff1d(np.arange(len(labels)), validation), validation


def _calibration(
    labels: np.ndarray, train: np.ndarray, config: DataConfig
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The calibration samples as rows of labels, and what is to be said where they are fewer."""
    count = min(config.calibration_samples, len(train))
    rng = random(config.split_seed, "calibration")
    lowered: tuple[str, ...] = ()
    if count < config.calibration_samples:
        lowered = (
            f"calibration: all {count} training samples, since there are no "
            f"{config.calibration_samples} (data.calibration_samples)",
        )
    return train[balanced(labels[train], count, rng)], lowered


def _check_augmentation(config: AugmentConfig, shape: Shape) -> None:
    """Refuses changes of another kind of samples, or that would leave nothing of one."""
    kind = BY_RANK[len(shape)]
    other = config.of_time if kind == "images" else config.of_images
    other += config.of_time if kind == "table" else ()
    other += config.of_values if kind == "images" else ()
    if other:
        raise DataError(
            f"data.augmentation.{other[0]} does not change {kind}, which the samples are (shape "
            f"{list(shape)}); leave it out"
        )
    for name in config.of_time:
        if getattr(config, name) >= shape[0]:
            raise DataError(
                f"data.augmentation.{name} is {getattr(config, name)} time steps but the series "
                f"have {shape[0]}; set it below"
            )
    smaller = min(shape[:2])
    for name in ("shift", "cutout") if kind == "images" else ():
        pixels = getattr(config, name)
        if pixels >= smaller:
            raise DataError(
                f"data.augmentation.{name} is {pixels} pixels but the images are {shape[0]} x "
                f"{shape[1]}; set it below {smaller}"
            )
