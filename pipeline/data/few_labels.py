"""Training where few samples have labels and the teacher speaks for the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.splits import balanced, random
from hintlite.pipeline.data.training_data import TrainingData

NO_LABEL = -1  # in the place of a label, as in scikit-learn's semi-supervised learning


def with_few_labels(data: TrainingData, count: int | None, seed: int) -> TrainingData:
    """The same samples, of which only some of the training part keep their labels.

    Args:
        data: all samples with their labels.
        count: labels that stay, as many of each class as of another; None keeps all.
        seed: decides whose; the same seed and count keep the same.

    Returns:
        The data, with NO_LABEL for the other training samples; validation labels stay.

    Raises:
        DataError: fewer labels than classes, or more than training samples.
    """
    if count is None:
        return data
    classes, available = len(data.class_names), len(data.train)
    if not classes <= count <= available:
        raise DataError(
            f"training.labels is {count}: expected at least one label for each of the {classes} "
            f"classes and at most the {available} of the training part; leave it out to use all"
        )
    kept = data.train[balanced(data.labels[data.train], count, random(seed, "labels"))]
    labels = data.labels.copy()
    labels[np.setdiff1d(data.train, kept)] = NO_LABEL
    return replace(data, labels=labels)


def labelled_again_and_again(data: TrainingData) -> np.ndarray:
    """Rows to train on where nobody speaks for the samples without a label.

    Returns:
        int64 `[len(data.train)]`, sorted: the labelled training rows, each as often as fills an
        epoch, so that labels alone are trained on for as many steps as with a teacher.
    """
    labelled = data.train[data.labels[data.train] != NO_LABEL]
    return np.sort(np.resize(labelled, len(data.train)))
