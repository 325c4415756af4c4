"""Copies of samples in other parts, and under other labels."""

import numpy as np

from hintlite.pipeline.data.copies import are_copies, remarks, write_digests

X = np.random.default_rng(0).integers(0, 256, (10, 3, 4, 1), np.uint8)
Y = np.array([0, 1] * 5)
TRAIN, VALIDATION = np.arange(7), np.arange(7, 10)


def test_copies_are_told_by_their_values(tmp_path):
    write_digests(X[[4, 5, 9]], tmp_path / "digests.npy")
    assert np.flatnonzero(are_copies(X, tmp_path / "digests.npy")).tolist() == [4, 5, 9]
    floats = X[[4, 0, 4]].astype(np.float32)
    assert not are_copies(floats, tmp_path / "digests.npy").any()  # raw values of another type
    assert np.load(tmp_path / "digests.npy").shape == (3, 16)


def test_copies_across_the_division_and_under_other_labels_are_told():
    assert remarks(X, Y, TRAIN, VALIDATION) == ()
    images = X.copy()
    images[8] = images[2]  # both of class 0
    images[9] = images[4]  # of classes 1 and 0
    first, second = remarks(images, Y, TRAIN, VALIDATION)
    assert first.startswith("copies: 2 of the 3 validation samples are in the training part")
    assert second.startswith("copies: 1 images come with several labels")
