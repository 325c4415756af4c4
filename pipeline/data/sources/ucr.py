"""Data sets of the UCR archive (Dau et al., arXiv 1810.07758): NAME_TRAIN.tsv and NAME_TEST.tsv.

A line is one series of one channel: its class, then its values, all separated by tabs.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.sources.arrays import pool_of_arrays
from hintlite.pipeline.data.sources.source import Pool
from hintlite.pipeline.settings.data import DataConfig

TRAIN, TEST = "_TRAIN.tsv", "_TEST.tsv"


def open_ucr(config: DataConfig) -> Pool:
    """Offers the training series; the test file stays closed until it is read.

    Raises:
        DataError: not one such pair of files, or series of unequal lengths.
    """
    root = Path(config.path or "").expanduser()
    found = sorted(root.glob(f"*{TRAIN}")) if root.is_dir() else []
    if len(found) != 1:
        raise DataError(
            f"{root}: {len(found)} files *{TRAIN}, expected one; set data.path to the folder of "
            "one data set of the archive"
        )
    name = found[0].name.removesuffix(TRAIN)
    test = root / f"{name}{TEST}"
    if not test.is_file():
        raise DataError(f"{test}: no such file; extract the archive again")
    series, labels = _read(found[0])
    return pool_of_arrays(
        series,
        labels,
        f"{root} ({name})",
        read_test=partial(_read, test),
        name=name,
        kind="series",
    )


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Series float32 [n, time] and classes [n], text as the archive writes them."""
    try:
        rows = np.loadtxt(path, delimiter="\t", ndmin=2)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read as series of one length ({error}); extract the archive again, "
            "or cut or pad its series to one length"
        ) from error
    if np.isnan(rows).any():
        raise DataError(
            f"{path}: row {int(np.isnan(rows).any(axis=1).argmax())} has missing values, as series "
            "of unequal lengths have in the archive; cut or pad them to one length"
        )
    return rows[:, 1:].astype(np.float32), np.array([f"{label:g}" for label in rows[:, 0]])
