"""Calibration samples are training data alone, and balanced; both checks can fail."""

from types import SimpleNamespace

import numpy as np
import pytest

from hintlite.errors import DataError
from hintlite.pipeline.data.calibration import check_apart, check_balanced, check_calibration
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.settings.data import DataConfig

NAMES = ("cat", "dog", "ant")


def parts(calibration, validation=(6, 7), train=(0, 1, 2, 3, 4, 5), test=(90, 91)):
    return SimpleNamespace(
        source_rows=np.arange(10) + 10,
        train=np.array(train),
        validation=np.array(validation),
        calibration=np.array(calibration),
        test_rows=np.array(test),
    )


def test_the_digits_pass():
    check_calibration(load_training(DataConfig(calibration_samples=100, limit=300)))


def test_a_validation_sample_is_refused():
    with pytest.raises(DataError, match="row 16 is validation data"):
        check_apart(parts([0, 6]))


def test_a_test_sample_is_refused():
    with pytest.raises(DataError, match="row 12 is test data"):
        check_apart(parts([0, 2], test=[12, 90]))


def test_a_sample_from_nowhere_is_refused():
    with pytest.raises(DataError, match="row 19 is not training data"):
        check_apart(parts([0, 9]))


def test_a_set_that_favours_a_class_is_refused():
    train = np.repeat([0, 1, 2], 10)
    check_balanced(train, np.repeat([0, 1, 2], [4, 4, 3]), NAMES)
    with pytest.raises(DataError, match=r"5 samples of 'cat' but 3 of 'ant'"):
        check_balanced(train, np.repeat([0, 1, 2], [5, 4, 3]), NAMES)
    with pytest.raises(DataError, match=r"0 of 'dog'"):
        check_balanced(train, np.repeat([0, 2], 3), NAMES)


def test_a_class_that_has_given_all_it_has_is_no_fault():
    train = np.repeat([0, 1, 2], [10, 10, 2])
    check_balanced(train, np.repeat([0, 1, 2], [6, 6, 2]), NAMES)
    check_balanced(train, train, NAMES)
