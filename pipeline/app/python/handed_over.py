"""The samples of a caller, handed to the process that works with them: arrays in a folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from hintlite.pipeline.app.python.arguments import ArgumentError
from hintlite.pipeline.cache.entry import CacheError
from hintlite.pipeline.cache.folder import gigabytes
from hintlite.pipeline.data.rows import SampleArray, cast, taken, write_npy
from hintlite.pipeline.data.sources.source import Labelled, Pool, Shape, Source
from hintlite.pipeline.data.spool import spooled
from hintlite.pipeline.data.training_data import TrainingData

SETTINGS = "settings.yaml"
_FACTS = "facts.json"


def hand_over(pool: Pool, folder: Path) -> list[SampleArray]:
    """Writes the samples of a pool, or names the file in which they lie.

    Those for the test are only copied.

    Args:
        pool: from a source.
        folder: where to.

    Returns:
        The samples: what is named lies there as long as they are held.
    """
    rows = np.arange(len(pool.labels))
    images, notes = pool.read(rows, None)
    _save(folder, "train", images, pool.labels)
    facts = {
        "name": pool.name,
        "place": pool.place,
        "notes": [*pool.notes, *notes],
        "class_names": list(pool.class_names),
        "raw_max": pool.raw_max,
        "validation": None if pool.validation is None else pool.validation.tolist(),
        "groups": None if pool.groups is None else pool.groups.tolist(),
        "test": pool.read_test is not None,
    }
    test = None
    if pool.read_test is not None:
        test = pool.read_test(images.shape[1:])
        _save(folder, "test", test.images, test.labels)
    (folder / _FACTS).write_text(json.dumps(facts))
    return [images] if test is None else [images, test.images]


def taken_over(folder: Path) -> Source | None:
    """The samples that `hand_over` wrote, as a source; None where there are none."""
    if not (folder / _FACTS).is_file():
        return None
    facts = json.loads((folder / _FACTS).read_text())
    images, labels = _load(folder, "train")

    def test(_shape: Shape) -> Labelled:
        held = _load(folder, "test")
        return Labelled(*held, np.arange(len(held[1])))

    return _source(
        name=facts["name"],
        place=facts["place"],
        notes=tuple(facts["notes"]),
        labels=labels,
        class_names=tuple(facts["class_names"]),
        read=lambda rows, _shape: (taken(images, rows), ()),
        raw_max=facts["raw_max"],
        read_test=test if facts["test"] else None,
        validation=None if facts["validation"] is None else np.asarray(facts["validation"]),
        groups=None if facts["groups"] is None else np.asarray(facts["groups"]),
    )


def kept_source(data: TrainingData, test: Path) -> Source:
    """The samples that a run has kept, divided as they were.

    Args:
        data: all but those of the test.
        test: the file that the evaluation has kept of them.

    Raises:
        ArgumentError: there is no such file.
    """
    if not test.is_file():
        raise ArgumentError(f"{test}: the test samples were too many to be kept: give them again")

    def held_out(_shape: Shape) -> Labelled:
        with np.load(test, allow_pickle=False) as file:
            return Labelled(**{name: file[name] for name in file.files})

    return _source(
        name=data.name,
        place=data.name,
        labels=data.labels,
        class_names=data.class_names,
        read=lambda rows, _shape: (taken(data.images, rows), ()),
        raw_max=data.raw_max,
        read_test=held_out,
        validation=data.validation,
    )


def _source(**facts: Any) -> Source:
    """The source of one pool, whatever the settings."""
    pool = Pool(**facts)
    return Source(pool.name, lambda _config: pool)


def _save(folder: Path, part: str, images: SampleArray, labels: np.ndarray) -> None:
    np.save(folder / f"{part}_labels.npy", labels, allow_pickle=False)
    whole = spooled(images)
    if whole is not None:
        stored: Any = whole.stored
        about = {"file": stored.filename, "dtype": stored.dtype.str, "kind": whole.kind.str}
        (folder / f"{part}.json").write_text(json.dumps({**about, "shape": stored.shape}))
        return
    free = shutil.disk_usage(folder).free
    if images.nbytes > free:
        raise CacheError(
            f"the samples take {gigabytes(images.nbytes)}, and the disk of {folder.parent} has "
            f"{gigabytes(free)} left for handing them over: free some space, or set TMPDIR to a "
            "folder on another disk"
        )
    with (folder / f"{part}_images.npy").open("wb") as content:
        write_npy(content, images)


def _load(folder: Path, part: str) -> tuple[SampleArray, np.ndarray]:
    labels = np.load(folder / f"{part}_labels.npy", allow_pickle=False)
    about = folder / f"{part}.json"
    if not about.is_file():
        file = folder / f"{part}_images.npy"
        return np.load(file, mmap_mode="r", allow_pickle=False), labels
    said = json.loads(about.read_text())
    stored = np.memmap(said["file"], np.dtype(said["dtype"]), "r", shape=tuple(said["shape"]))
    return cast(stored, np.dtype(said["kind"])), labels
