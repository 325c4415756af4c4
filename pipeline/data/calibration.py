"""What a calibration set must be before it may set the ranges of a file."""

from __future__ import annotations

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.training_data import TrainingData


def check_calibration(data: TrainingData) -> None:
    """Refuses calibration samples that are judged by, or that favour a class.

    Raises:
        DataError: one of them is validation or test data, or not training data, or the classes
            are not balanced.
    """
    check_apart(data)
    check_balanced(data.labels[data.train], data.labels[data.calibration], data.class_names)


def check_apart(data: TrainingData) -> None:
    """Refuses calibration samples that are not training data, or that serve elsewhere too.

    Raises:
        DataError: names the sample's row in the source.
    """
    rows = data.source_rows[data.calibration]
    for part, others in (
        ("validation", data.source_rows[data.validation]),
        ("test", data.test_rows),
    ):
        shared = np.intersect1d(rows, others)
        if len(shared):
            raise DataError(
                f"calibration row {shared[0]} is {part} data: INT8 would be judged by samples that "
                "set its ranges; make the split anew"
            )
    strangers = np.setdiff1d(rows, data.source_rows[data.train])
    if len(strangers):
        raise DataError(f"calibration row {strangers[0]} is not training data; make the split anew")


def check_balanced(available: np.ndarray, chosen: np.ndarray, class_names: tuple[str, ...]) -> None:
    """Refuses a calibration set that has more of one class than of another without need.

    Counts differ by 1 at most, but for classes that have given all they have.

    Args:
        available: labels of the training part, int64.
        chosen: labels of the calibration samples, int64.
        class_names: one a label value.

    Raises:
        DataError: names the two classes.
    """
    counts = np.bincount(chosen, minlength=len(class_names))
    open_classes = counts < np.bincount(available, minlength=len(class_names))
    if not open_classes.any():
        return
    fewest = int(np.where(open_classes, counts, np.iinfo(np.int64).max).argmin())
    most = int(counts.argmax())
    if counts[most] > counts[fewest] + 1:
        raise DataError(
            f"the calibration set has {counts[most]} samples of {class_names[most]!r} but "
            f"{counts[fewest]} of {class_names[fewest]!r}, of which there are more: make the split "
            "anew"
        )
