"""Samples that a training holds in memory, and the teacher's outputs for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from hintlite.pipeline.app.python.arguments import ArgumentError
from hintlite.pipeline.app.python.samples import Samples
from hintlite.pipeline.data.normalization import Normalization
from hintlite.pipeline.data.rows import SampleArray, chunks, is_mapped
from hintlite.pipeline.data.splits import random, stratified
from hintlite.pipeline.data.spool import Spool
from hintlite.pipeline.data.training_data import TrainingData

if TYPE_CHECKING:
    import keras

CACHE_BYTES = 2**29  # of the teacher's outputs that are kept in memory
_BATCH = 512


def divided(
    train: Samples, validation: Samples | float, classes: int, seed: int
) -> tuple[TrainingData, np.ndarray | None]:
    """Training and validation samples as one; the values stay as they came.

    Args:
        train: the training samples.
        validation: the others, or the share of the training samples to take, each class in
            proportion.
        classes: how many.
        seed: decides which samples are taken.

    Returns:
        The samples, and their weights, if they have any.

    Raises:
        ArgumentError: a share that leaves nothing for one of the parts.
    """
    if isinstance(validation, Samples):
        inputs = _joined(train.inputs, validation.inputs)
        labels = np.concatenate([train.labels, validation.labels])
        held_out = np.arange(len(train.labels), len(labels))
        weights = _padded(train.weights, len(labels))
    else:
        inputs, labels, weights = train.inputs, train.labels, train.weights
        held_out = _share(labels, validation, seed)
    rows = np.arange(len(labels))
    channels = inputs.shape[-1]
    data = TrainingData(
        images=inputs,
        labels=labels,
        class_names=tuple(str(each) for each in range(classes)),
        train=np.setdiff1d(rows, held_out),
        validation=held_out,
        calibration=np.empty(0, np.int64),
        normalization=Normalization((0.0,) * channels, (1.0,) * channels),
        raw_max=None,
        source_rows=rows,
        test_rows=np.empty(0, np.int64),
        fingerprint="",
    )
    return data, weights


def _joined(train: SampleArray, validation: SampleArray) -> SampleArray:
    if train.shape[1:] != validation.shape[1:]:
        raise ArgumentError(
            f"validation: samples of the shape {list(validation.shape[1:])}, but those of train "
            f"are {list(train.shape[1:])}"
        )
    # uint8 with float32 gives float32, same values
    if not (is_mapped(train) or is_mapped(validation)):
        return np.concatenate([train, validation])
    dtype = np.result_type(train.dtype, validation.dtype)
    with Spool("train and validation") as spool:
        for chunk in (chunk for part in (train, validation) for chunk in chunks(part)):
            spool.add(chunk.astype(dtype, copy=False))
        return spool.array()


def _padded(weights: np.ndarray | None, count: int) -> np.ndarray | None:
    if weights is None:
        return None
    return np.pad(weights, (0, count - len(weights)), constant_values=1.0)


def _share(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    total = round(share * len(labels)) if 0 < share < 1 else 0
    if not 0 < total < len(labels):
        raise ArgumentError(
            f"validation: {share!r} of {len(labels)} samples leaves nothing to train on or to "
            "validate with; expected (x, y), a dataset, or a share such as 0.1"
        )
    return np.sort(stratified(labels, total, random(seed, "validation"), least=0))


def teacher_outputs(
    teacher: keras.Model, taps: Iterable[str], inputs: SampleArray
) -> Mapping[str, np.ndarray]:
    """The teacher's outputs for all samples, float32, computed once.

    Args:
        teacher: network with taps.
        taps: the wanted ones.
        inputs: `[n, ...]`.

    Returns:
        tap -> `[n, ...]`; empty where they would take more than CACHE_BYTES, so that the teacher
        runs in every step instead.
    """
    from hintlite.models.fold import folded
    from hintlite.models.taps import subnetwork

    names = sorted(taps)
    if not names:
        return {}
    network = folded(subnetwork(teacher, names))
    first = network(inputs[:1].astype(np.float32), training=False)
    if sum(4 * np.prod(tap.shape[1:]) for tap in first.values()) * len(inputs) > CACHE_BYTES:
        return {}
    parts: dict[str, list[Any]] = {name: [] for name in names}
    for start in range(0, len(inputs), _BATCH):
        batch = network(inputs[start : start + _BATCH].astype(np.float32), training=False)
        for name in names:
            parts[name].append(np.asarray(batch[name], np.float32))
    return {name: np.concatenate(each) for name, each in parts.items()}
