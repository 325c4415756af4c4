"""The samples that a run keeps in its folder: what stages after the training read.

So a finished run needs the training data for nothing but further training. Calibration and
validation samples are kept raw; the training part only where the caller asks for it, since no
setting names samples that came from Python.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from hintlite.files import write_whole
from hintlite.pipeline.data.normalization import Normalization
from hintlite.pipeline.data.rows import lazy, write_npy
from hintlite.pipeline.data.splits import Splits
from hintlite.pipeline.data.training_data import KeptData, TrainingData
from hintlite.pipeline.data.value_range import ValueRange

MOST_BYTES = 512 * 10**6  # of raw samples that a run keeps
IMAGES, ROWS, RAW_MAX = "images.npy", "rows.npz", "raw_max.json"
_ARRAYS = ("labels", "source_rows", "validation", "calibration")


def fits(data: TrainingData) -> bool:
    """Whether all samples are few enough to be kept."""
    return data.images.nbytes <= MOST_BYTES


def keep(data: TrainingData, folder: Path, whole: bool) -> int:
    """Writes the samples that are kept.

    Args:
        data: all samples.
        folder: where to.
        whole: keep the training part too.

    Returns:
        How many validation samples are kept: all, or as many as `MOST_BYTES` holds.
    """
    one = data.images.nbytes // max(len(data.images), 1)
    room = max(MOST_BYTES // max(one, 1) - len(data.calibration), 1)
    validation = data.validation if whole else spread(data.validation, room)
    rows = np.arange(len(data.images)) if whole else np.union1d(validation, data.calibration)
    with (folder / IMAGES).open("wb") as file:
        write_npy(file, data.images if whole else lazy(data.images, rows))
    arrays = {
        "labels": data.labels[rows],
        "source_rows": data.source_rows[rows],
        "validation": np.searchsorted(rows, validation),
        "calibration": np.searchsorted(rows, data.calibration),
    }
    train = {"train": data.train} if whole else {}
    np.savez(folder / ROWS, allow_pickle=False, **arrays, **train)
    write_whole(folder / RAW_MAX, json.dumps(data.raw_max))
    return len(validation)


def read_kept(folder: Path, facts: Mapping[str, Any], splits: Splits) -> KeptData:
    """Reads what `keep` wrote; its images stay on the disk until they are used.

    Args:
        folder: of the samples.
        facts: class_names, normalization and fingerprint, and name and values where known.
        splits: of the data.

    Returns:
        The samples; TrainingData where the training part is among them.
    """
    with np.load(folder / ROWS, allow_pickle=False) as file:
        arrays = {name: file[name] for name in _ARRAYS}
        more: dict[str, Any] = {name: file[name] for name in file.files if name == "train"}
    kind = TrainingData if more else KeptData
    if more and "values" in facts:
        more |= {"name": facts["name"], "values": ValueRange.from_dict(facts["values"])}
    common = {
        "images": np.load(folder / IMAGES, mmap_mode="r", allow_pickle=False),
        "class_names": tuple(facts["class_names"]),
        "normalization": Normalization.from_dict(facts["normalization"]),
        "raw_max": json.loads((folder / RAW_MAX).read_text()),
        "test_rows": splits.test,
        "fingerprint": facts["fingerprint"],
    }
    return kind(**arrays, **common, **more)


def reduced(data: TrainingData) -> KeptData:
    """All samples as what is kept of them, where nothing is written."""
    return KeptData(**{field.name: getattr(data, field.name) for field in fields(KeptData)})


def spread(rows: np.ndarray, count: int) -> np.ndarray:
    """So many rows, evenly spread over all; all of them where there are no more.

    Args:
        rows: [n].
        count: at least 1.
    """
    if len(rows) <= count:
        return rows
    return rows[np.arange(count) * len(rows) // count]
