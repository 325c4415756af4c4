"""SampleArray that are arrays in memory: the form in which most sources end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.checks import check_class_names, check_range
from hintlite.pipeline.data.images import check_images, check_shape
from hintlite.pipeline.data.labels import numbered, read_labels
from hintlite.pipeline.data.rows import SampleArray, as_array, taken
from hintlite.pipeline.data.sources.source import Labelled, Pool, Shape, Source
from hintlite.pipeline.settings.data import DataConfig

TestReader = Callable[[], tuple[SampleArray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class TestOutline:
    """What is known of a test set without opening its images.

    Args:
        labels: as they are stored.
        shape: of the array of images.
    """

    __test__ = False  # no test, whatever pytest thinks of the name

    labels: np.ndarray
    shape: tuple[int, ...]


def pool_of_arrays(  # noqa: PLR0913 - what a source knows of its samples, each by its name
    images: SampleArray,
    labels: np.ndarray,
    place: str,
    class_names: Sequence[str] | None = None,
    raw_max: float | None = None,
    *,
    read_test: TestReader | None = None,
    outline: TestOutline | None = None,
    name: str | None = None,
    notes: Sequence[str] = (),
) -> Pool:
    """Checks arrays and offers them as a pool.

    Args:
        images: [n, h, w] or [n, h, w, c], numbers.
        labels: [n] whole numbers or text, or one-hot [n, classes].
        place: where they come from, for messages.
        class_names: one a label value; by default the labels' own names, or the numbers.
        raw_max: the raw value of full brightness; 255 for uint8 by default.
        read_test: opens the source's own test arrays when, and only when, it is called.
        outline: of these test arrays, where it can be had: checked at once.
        name: shown to the user; `place` by default.
        notes: said of the samples, beside what is understood here.

    Raises:
        DataError: anything in images.py, labels.py and checks.py.
    """
    given = images.dtype
    images, about_images = check_images(images, place)
    read = read_labels(labels, len(images), place, class_names)
    names = check_class_names(class_names or read.names or numbered(read.values, place), place)
    check_range(read.values, names, place)
    if raw_max is None and images.dtype == np.uint8:
        raw_max = 1.0 if given == np.bool_ else 255.0
    form = _Form(names, images.dtype, images.shape[1:], f"{place} (test)")
    if outline is not None:
        form.check(outline)
    said = [*notes, f"images: {about_images}" if about_images else None, read.note]
    return Pool(
        name=name or place,
        place=place,
        labels=read.values,
        class_names=names,
        read=lambda rows, _shape: (taken(images, rows), ()),
        raw_max=raw_max,
        read_test=None if read_test is None else form.reader(read_test),
        notes=tuple(note for note in said if note),
    )


@dataclass(frozen=True, eq=False)
class _Form:
    """What test arrays must be like: those of training."""

    names: tuple[str, ...]
    dtype: np.dtype
    shape: tuple[int, ...]
    place: str

    def check(self, outline: TestOutline) -> None:
        """Refuses test arrays whose labels or shape could not be used, before any training."""
        check_shape(outline.shape, self.place)
        shape = (*outline.shape[1:], 1) if len(outline.shape) == 3 else outline.shape[1:]
        if shape != self.shape:
            raise DataError(
                f"{self.place}: images are {list(shape)}, expected {list(self.shape)} as in "
                "training; bring them to that shape"
            )
        self.labels(outline.labels, outline.shape[0])

    def labels(self, labels: np.ndarray, count: int) -> np.ndarray:
        """Labels of the test part as int64 [n], each one of the classes."""
        values = read_labels(labels, count, self.place, self.names).values
        check_range(values, self.names, self.place)
        return values

    def reader(self, read_test: TestReader) -> Callable[[Shape], Labelled]:
        """The test reader with the checks that training arrays had; shapes are compared later."""

        def read(_shape: Shape) -> Labelled:
            images, labels = read_test()
            images, _ = check_images(images, self.place, self.dtype)
            return Labelled(images, self.labels(labels, len(images)), np.arange(len(labels)))

        return read


def from_arrays(
    images: np.ndarray,
    labels: np.ndarray,
    test: tuple[np.ndarray, np.ndarray] | None = None,
    class_names: Sequence[str] | None = None,
    name: str = "arrays",
) -> Source:
    """Makes a source of arrays, for `load_training(config, source)`.

    Args:
        images: [n, h, w] or [n, h, w, c], numbers; those of a memory-mapped file stay there.
        labels: [n], whole numbers from 0 or text, or one-hot [n, classes].
        test: (images, labels) kept for the one evaluation; split off where it is left out.
        class_names: one a label value; by default the labels' own names, or the numbers.
        name: what the samples are called on the terminal and in reports.

    Returns:
        The source.

    Raises:
        DataError: samples that cannot be used.
    """
    own = None if test is None else (as_array(test[0]), np.asarray(test[1]))
    pool = pool_of_arrays(
        as_array(images),
        np.asarray(labels),
        "the arrays given",
        class_names,
        read_test=None if own is None else lambda: own,
        outline=None if own is None else TestOutline(own[1], own[0].shape),
        name=name,
    )

    def opened(_config: DataConfig) -> Pool:
        return pool

    return Source(name, opened)


def short_name(path: str | Path) -> str:
    """What a file or folder is called in a line."""
    return Path(path).expanduser().absolute().name
