"""The teacher's outputs, computed once over the samples and read from memory-mapped files.

One file for each tap and view (see pipeline/data/augment.py), float16 `[n, ...]`, one row an image.
Its name carries a hash of what decides its content: the part of the teacher that ends at the tap
(layers and weights), the samples and their normalization, the view, the libraries. So trainings
with the same teacher share it, whatever they do with it, and a tap that two methods read is there
once.

A value read differs from the live one by its rounding to float16: 11 significant bits, a relative
error of at most 2^-11 = 0.05 % above 6.1e-5.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hintlite.errors import HintliteError
from hintlite.models.fold import folded
from hintlite.models.taps import subnetwork
from hintlite.pipeline.cache.entry import DTYPE, Entry
from hintlite.pipeline.cache.folder import CacheFolder
from hintlite.pipeline.data.augment import VIEW_NAMES, view_of
from hintlite.pipeline.data.training_data import TrainingData

FORMAT = 1  # raised whenever the same inputs give another file
CHUNK = 256  # images at a time; one size, so that a file never depends on who has made it
LIBRARIES = ("keras", "tensorflow", "numpy")

Progress = Callable[[int, int, str], None]


class OutOfRangeError(HintliteError):
    """Outputs of a teacher that float16 cannot hold."""


@dataclass(frozen=True, eq=False)
class CachedTap:
    """A tap of the teacher for every image, in every view; a Lookup of pipeline/data/batches.py.

    Attributes:
        views: memory-mapped float16 [n, ...], one a view.
    """

    views: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.views[0])

    @property
    def size_bytes(self) -> int:
        """What its files take."""
        return sum(view.nbytes for view in self.views)

    def gather(self, rows: Any, views: Any) -> Any:
        """The rows int64 [b], each in its view int32 [b], float16 [b, ...]."""
        found = tf.numpy_function(self._read, [rows, views], DTYPE, stateful=False)
        return tf.ensure_shape(found, [None, *self.views[0].shape[1:]])

    def _read(self, rows: np.ndarray, views: np.ndarray) -> np.ndarray:
        if len(self.views) == 1:
            return self.views[0][rows]
        found = np.empty((len(rows), *self.views[0].shape[1:]), DTYPE)
        for number, view in enumerate(self.views):
            chosen = np.flatnonzero(views == number)
            found[chosen] = view[rows[chosen]]
        return found


@dataclass
class TeacherTaps:
    """What became of the taps that were asked for.

    Attributes:
        cached: tap -> where to look it up.
        computed: names of the files that were not there yet.
        left_out: tap -> why it is not cached, in words.
    """

    cached: dict[str, CachedTap] = field(default_factory=dict)
    computed: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """What all files take."""
        return sum(tap.size_bytes for tap in self.cached.values())


def open_taps(
    folder: CacheFolder,
    *,
    teacher: keras.Model,
    data: TrainingData,
    taps: Iterable[str],
    views: Sequence[int],
    progress: Progress = lambda done, total, note: None,
) -> TeacherTaps:
    """Opens the taps' files; those that are missing are computed first.

    Args:
        folder: where the files are.
        teacher: network with taps.
        data: the samples; every row of data.images gets a row of the file.
        taps: names of taps, or layer paths.
        views: of the images, as `hintlite.pipeline.data.augment.views` lists them.
        progress: is told images done, images in all and the tap at work.

    Returns:
        The taps. One with a value that float16 cannot hold is left out.

    Raises:
        CacheError: the budget or the disk is too small; nothing of the file was written then.
    """
    parts = {tap: subnetwork(teacher, [tap]) for tap in sorted(taps)}
    wanted = {tap: [_entry(part, tap, data, view) for view in views] for tap, part in parts.items()}
    missing = [e for entries in wanted.values() for e in entries if folder.open(e) is None]
    found, steps = TeacherTaps(), _Steps(progress, len(missing) * len(data.images))
    for tap, entries in wanted.items():
        teach = _Teaching(parts[tap], tap, data, steps)
        try:
            opened = []
            for view, entry in zip(views, entries, strict=True):
                opened.append(_opened(folder, entry, teach, view, missing, found.computed))
            found.cached[tap] = CachedTap(tuple(opened))
        except OutOfRangeError as error:
            found.left_out[tap] = str(error)
            missing = [entry for entry in missing if entry not in entries]
    return found


def _opened(
    folder: CacheFolder,
    entry: Entry,
    teach: _Teaching,
    view: int,
    missing: list[Entry],
    computed: list[str],
) -> np.ndarray:
    """One file's array, after making it if need be; `missing` and `computed` are kept up."""
    array = folder.open(entry)
    while array is None:  # again only if somebody clears the folder at this very moment
        later = [other for other in missing if other != entry]
        folder.make(entry, lambda: teach.chunks(view), later)
        computed.append(entry.name)
        array = folder.open(entry)
    if entry in missing:
        missing.remove(entry)
    return array


def _entry(part: keras.Model, tap: str, data: TrainingData, view: int) -> Entry:
    """The file of one tap and view; its name tells both and ends in the hash."""
    shape = (len(data.images), *(int(size) for size in part.output[tap].shape[1:]))
    slug = re.sub(r"[^\w.-]+", "_", tap)
    return Entry(f"{slug}-{VIEW_NAMES[view]}-{_key(part, tap, data, view)[:32]}", shape)


def _key(part: keras.Model, tap: str, data: TrainingData, view: int) -> str:
    """Sha256 of everything that decides the values."""
    facts = {
        "format": FORMAT,
        "layers": part.to_json(),
        "tap": tap,
        "view": VIEW_NAMES[view],
        "samples": data.fingerprint,
        "normalization": data.normalization.to_dict(),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for weight in part.get_weights():
        digest.update(f"{weight.dtype} {weight.shape}\n".encode())
        digest.update(np.ascontiguousarray(weight).data)
    return digest.hexdigest()


@dataclass
class _Steps:
    """Counts images over all files for a progress bar."""

    progress: Progress
    total: int
    done: int = 0

    def add(self, count: int, note: str) -> None:
        self.done += count
        self.progress(self.done, self.total, note)


@dataclass(frozen=True, eq=False)
class _Teaching:
    """Runs the teacher up to one tap over all images."""

    part: keras.Model
    tap: str
    data: TrainingData
    steps: _Steps

    def chunks(self, view: int) -> Iterator[np.ndarray]:
        """The tap in that view, float16, some images at a time.

        Raises:
            OutOfRangeError: a value that is not a finite float16.
        """
        images = self.data.images
        for start in range(0, len(images), CHUNK):
            raw = view_of(tf.constant(images[start : start + CHUNK]), view)
            values = self._taught(raw).numpy()
            self._check(values)
            self.steps.add(len(values), f"{self.tap}, {VIEW_NAMES[view]}")
            yield values.astype(DTYPE)

    @cached_property
    def _taught(self) -> Callable[[Any], Any]:
        """From raw images [b, h, w, c] to the tap, float32, compiled once."""
        network, data = folded(self.part), self.data

        @tf.function(input_signature=[tf.TensorSpec([None, *data.input_shape], data.raw_dtype)])
        def taught(raw: Any) -> Any:
            images = data.normalization.apply_tensor(raw)
            return tf.cast(network(images, training=False)[self.tap], tf.float32)

        return taught

    def _check(self, values: np.ndarray) -> None:
        largest = float(np.abs(values).max())
        if not largest <= float(np.finfo(DTYPE).max):
            raise OutOfRangeError(
                f"{self.tap} reaches {largest:.3g}, and float16 ends at {np.finfo(DTYPE).max:g}"
            )
