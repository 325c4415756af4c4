"""SampleArray that are arrays in memory: the form in which most sources end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.checks import check_class_names, check_range
from hintlite.pipeline.data.images import check_samples
from hintlite.pipeline.data.kinds import BY_RANK, OpenKindError, kind_of, sample_shape
from hintlite.pipeline.data.labels import numbered, read_labels
from hintlite.pipeline.data.rows import SampleArray, as_array, taken
from hintlite.pipeline.data.sources.source import Labelled, Pool, Shape, Source
from hintlite.pipeline.settings.data import SampleKind

TestReader = Callable[[], tuple[SampleArray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class TestOutline:
    """What is known of a test set without opening its images.

    Args:
        labels: as they are stored.
        shape: of the array of samples.
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
    kind: SampleKind | None = None,
    groups: np.ndarray | None = None,
) -> Pool:
    """Checks arrays and offers them as a pool.

    Args:
        images: pictures, series or a table, see `check_samples`.
        labels: [n] whole numbers or text, or one-hot [n, classes].
        place: where they come from, for messages.
        class_names: one a label value; by default the labels' own names, or the numbers.
        raw_max: the raw value of full brightness; 255 for uint8 by default.
        read_test: opens the source's own test arrays when, and only when, it is called.
        outline: of these test arrays, where it can be had: checked at once.
        name: shown to the user; `place` by default.
        notes: said of the samples, beside what is understood here.
        kind: what the samples are; None: told by their shape.
        groups: [n], samples of one group stay together.

    Raises:
        DataError: anything in images.py, labels.py and checks.py.
    """
    given = images.dtype
    images, about_images = check_samples(images, place, kind=kind)
    kind = BY_RANK[images.ndim - 1]
    read = read_labels(labels, len(images), place, class_names)
    names = check_class_names(class_names or read.names or numbered(read.values, place), place)
    check_range(read.values, names, place)
    if raw_max is None and images.dtype == np.uint8 and kind == "images":
        raw_max = 1.0 if given == np.bool_ else 255.0
    form = _Form(names, images.dtype, images.shape[1:], f"{place} (test)", kind)
    if outline is not None:
        form.check(outline)
    said = [*notes, *(f"{kind}: {note}" for note in about_images), read.note]
    return Pool(
        name=name or place,
        place=place,
        labels=read.values,
        class_names=names,
        read=lambda rows, _shape: (taken(images, rows), ()),
        raw_max=raw_max,
        read_test=None if read_test is None else form.reader(read_test),
        notes=tuple(note for note in said if note),
        groups=groups,
    )


@dataclass(frozen=True, eq=False)
class _Form:
    """What test arrays must be like: those of training."""

    names: tuple[str, ...]
    dtype: np.dtype
    shape: tuple[int, ...]
    place: str
    kind: SampleKind

    def check(self, outline: TestOutline) -> None:
        """Refuses test arrays whose labels or shape could not be used, before any training."""
        kind_of(outline.shape, self.dtype, self.kind, self.place)
        shape = sample_shape(outline.shape, self.kind)
        if shape != self.shape:
            raise DataError(
                f"{self.place}: samples are {list(shape)}, expected {list(self.shape)} as in "
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
            images, _ = check_samples(images, self.place, self.dtype, self.kind)
            return Labelled(images, self.labels(labels, len(images)), np.arange(len(labels)))

        return read


def from_arrays(
    images: SampleArray,
    labels: np.ndarray,
    test: tuple[SampleArray, np.ndarray] | None = None,
    class_names: Sequence[str] | None = None,
    name: str = "arrays",
    groups: np.ndarray | None = None,
) -> Source:
    """Makes a source of arrays, for `load_training(config, source)`.

    Args:
        images: pictures, series or a table, see `check_samples`; what the shape leaves open,
            data.kind tells. Those of a memory-mapped file stay there.
        labels: [n], whole numbers from 0 or text, or one-hot [n, classes].
        test: (images, labels) kept for the one evaluation; split off where it is left out.
        class_names: one a label value; by default the labels' own names, or the numbers.
        name: what the samples are called on the terminal and in reports.
        groups: [n], numbers or text: samples of one group never go to different parts.

    Returns:
        The source.

    Raises:
        DataError: samples that cannot be used.
    """
    own = None if test is None else (as_array(test[0]), np.asarray(test[1]))

    def pool(kind: SampleKind | None) -> Pool:
        return pool_of_arrays(
            as_array(images),
            np.asarray(labels),
            "the arrays given",
            class_names,
            read_test=None if own is None else lambda: own,
            outline=None if own is None else TestOutline(own[1], own[0].shape),
            name=name,
            kind=kind,
            groups=None if groups is None else np.asarray(groups),
        )

    return source_of_kinds(pool, name)


def source_of_kinds(pool: Callable[[SampleKind | None], Pool], name: str) -> Source:
    """Samples in memory, checked at once unless the settings have to say first what they are.

    Args:
        pool: kind -> the samples as such.
        name: what they are called.

    Raises:
        DataError: samples that cannot be used.
    """
    made = cache(pool)
    with contextlib.suppress(OpenKindError):
        made(None)
    return Source(name, lambda config: made(config.kind))


def short_name(path: str | Path) -> str:
    """What a file or folder is called in a line."""
    return Path(path).expanduser().absolute().name
