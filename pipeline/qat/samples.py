"""The samples of a fine-tuning as files, and as what training batches are made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from hintlite.pipeline.data.normalization import Normalization
from hintlite.pipeline.data.rows import write_npy
from hintlite.pipeline.data.training_data import TrainingData
from hintlite.pipeline.qat.blueprint import Array

_ARRAYS = ("images", "labels", "train", "validation", "calibration", "source_rows")
_LOGITS = "teacher_logits.npy"
_ABOUT = "samples.json"


class LogitsByView:
    """The teacher's logits for every image in every view; a Lookup of pipeline/data/batches.py.

    Args:
        logits: float [views, n, classes]; one view only where augmentation leaves images alone.
    """

    def __init__(self, logits: Array) -> None:
        self.logits = tf.constant(logits, tf.float32)

    def __len__(self) -> int:
        return int(self.logits.shape[1])

    def gather(self, rows: Any, views: Any) -> Any:
        """The rows int64 [b], each in its view int32 [b], as [b, classes]."""
        return tf.gather_nd(self.logits, tf.stack([tf.cast(views, rows.dtype), rows], axis=1))


def save_samples(data: TrainingData, teacher_logits: Array | None, folder: Path) -> None:
    """Writes the samples of a run for the quantizer's process.

    Args:
        data: training, validation and calibration samples.
        teacher_logits: float [views, n, classes], or None.
        folder: the job's.
    """
    for name in _ARRAYS:
        with (folder / f"{name}.npy").open("wb") as file:
            write_npy(file, getattr(data, name))
    if teacher_logits is not None:
        np.save(folder / _LOGITS, teacher_logits, allow_pickle=False)
    about = {"normalization": data.normalization.to_dict(), "class_names": data.class_names}
    (folder / _ABOUT).write_text(json.dumps({**about, "fingerprint": data.fingerprint}))


def load_samples(folder: Path) -> tuple[TrainingData, LogitsByView | None]:
    """Reads what `save_samples` wrote."""
    arrays: dict[str, Any] = {name: _load(folder / f"{name}.npy") for name in _ARRAYS}
    about = json.loads((folder / _ABOUT).read_text())
    data = TrainingData(
        **arrays,
        class_names=tuple(about["class_names"]),
        normalization=Normalization.from_dict(about["normalization"]),
        raw_max=None,
        test_rows=np.empty(0, np.int64),
        fingerprint=about["fingerprint"],
    )
    path = folder / _LOGITS
    logits = LogitsByView(np.load(path, allow_pickle=False)) if path.exists() else None
    return data, logits


def _load(path: Path) -> Array:
    """An array; those of pictures and series stay on the disk until they are used."""
    array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    return array if array.ndim > 1 else np.array(array)
