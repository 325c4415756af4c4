"""Samples that are arrays in memory: the form in which most sources end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from hintlite.pipeline.data.checks import check_class_names, check_images, check_labels, check_range
from hintlite.pipeline.data.sources.source import Labelled, Pool, Shape, Source
from hintlite.pipeline.settings.data import DataConfig

TestReader = Callable[[], tuple[np.ndarray, np.ndarray]]


def pool_of_arrays(
    images: np.ndarray,
    labels: np.ndarray,
    place: str,
    class_names: Sequence[str] | None = None,
    raw_max: float | None = None,
    read_test: TestReader | None = None,
) -> Pool:
    """Checks arrays and offers them as a pool.

    Args:
        images: [n, h, w] or [n, h, w, c], uint8 or floating point.
        labels: [n] whole numbers.
        place: where they come from, for messages.
        class_names: one a label value; the numbers themselves by default.
        raw_max: the raw value of full brightness; 255 for uint8 by default.
        read_test: opens the source's own test arrays when, and only when, it is called.

    Raises:
        DataError: anything in pipeline/data/checks.py.
    """
    images = check_images(images, place)
    labels = check_labels(labels, len(images), place)
    if class_names is None:
        class_names = [str(value) for value in range(int(labels.max()) + 1)]
    names = check_class_names(class_names, place)
    check_range(labels, names, place)
    if raw_max is None and images.dtype == np.uint8:
        raw_max = 255.0
    return Pool(
        place=place,
        labels=labels,
        class_names=names,
        read=lambda rows, _shape: images[rows],
        raw_max=raw_max,
        read_test=None if read_test is None else _checked_test(read_test, f"{place} (test)"),
    )


def _checked_test(read_test: TestReader, place: str) -> Callable[[Shape], Labelled]:
    """The test reader with the checks that training arrays had; shapes are compared later."""

    def read(_shape: Shape) -> Labelled:
        images, labels = read_test()
        images = check_images(images, place)
        labels = check_labels(labels, len(images), place)
        return Labelled(images, labels, np.arange(len(labels)))

    return read


def from_arrays(
    images: np.ndarray,
    labels: np.ndarray,
    test: tuple[np.ndarray, np.ndarray] | None = None,
    class_names: Sequence[str] | None = None,
) -> Source:
    """Makes a source of arrays, for `load_training(config, source)`.

    Args:
        images: [n, h, w] or [n, h, w, c], uint8 or floating point.
        labels: [n], whole numbers from 0.
        test: (images, labels) kept for the one evaluation; split off where it is left out.
        class_names: one a label value; the numbers themselves by default.

    Returns:
        The source.
    """
    read_test = None if test is None else (lambda: (np.asarray(test[0]), np.asarray(test[1])))
    pool = pool_of_arrays(
        np.asarray(images),
        np.asarray(labels),
        "the arrays given",
        class_names,
        read_test=read_test,
    )

    def source(_config: DataConfig) -> Pool:
        return pool

    return source
