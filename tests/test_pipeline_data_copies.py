"""Copies of samples in other parts, and under other labels."""

import numpy as np

from hintlite.pipeline.data.copies import copies, remarks

X = np.random.default_rng(0).integers(0, 256, (10, 3, 4, 1), np.uint8)
Y = np.array([0, 1] * 5)
TRAIN, VALIDATION = np.arange(7), np.arange(7, 10)


def test_copies_are_counted_by_their_values():
    others = X[[0, 0, 3]].astype(np.float32)
    assert copies(X, [X[4:6], X[9:]]) == 3
    assert copies(others, [X]) == 0  # another type: other values for a network
    assert copies(others, [X.astype(np.float32)]) == 3


def test_copies_across_the_division_and_under_other_labels_are_told():
    assert remarks(X, Y, TRAIN, VALIDATION) == ()
    images = X.copy()
    images[8] = images[2]  # both of class 0
    images[9] = images[4]  # of classes 1 and 0
    first, second = remarks(images, Y, TRAIN, VALIDATION)
    assert first.startswith("copies: 2 of the 3 validation samples are in the training part")
    assert second.startswith("copies: 1 images come with several labels")
