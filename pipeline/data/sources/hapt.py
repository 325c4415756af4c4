"""UCI's HAPT: smartphone-based recognition of human activities and postural transitions.

Reyes-Ortiz, Oneto, Sama, Parra & Anguita 2016 (Neurocomputing 171): 30 persons with a telephone at
the waist, accelerometer (g) and gyroscope (rad/s) at 50 Hz. The raw data: acc_exp01_user01.txt and
gyro_exp01_user01.txt with three numbers a time step, labels.txt with experiment, person, activity,
first and last step (counted from 1) of each stretch.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.sources.recordings import pool_of_recordings
from hintlite.pipeline.data.sources.source import Pool
from hintlite.pipeline.data.windows import NO_CLASS, Recording
from hintlite.pipeline.settings.data import DataConfig

ACTIVITIES = ("walking", "upstairs", "downstairs", "sitting", "standing", "lying")  # 1 to 6
CHANNELS = tuple(f"{sensor}_{axis}" for sensor in ("acc", "gyro") for axis in "xyz")
LABELS, RAW = "labels.txt", "RawData"
RATE_HZ, WINDOW_S = 50.0, 2.56  # the publishers' own windows, half overlapping
_NAME = re.compile(r"acc_exp(\d+)_user(\d+)\.txt")


def open_hapt(config: DataConfig) -> Pool:
    """Offers windows of the six activities; those of one person stay together.

    The transitions between activities, 7 to 12, are left out. Windows are 2.56 s long and overlap
    by half unless the settings say otherwise.

    Raises:
        DataError: no such files, or damaged ones.
    """
    root = Path(config.path or "").expanduser()
    folder = root / RAW if (root / RAW).is_dir() else root
    if not (folder / LABELS).is_file():
        raise DataError(
            f"{root}: no {LABELS} in it or in its {RAW}/; set data.path to the folder that the "
            "archive of HAPT was extracted to"
        )
    stretches = _numbers(folder / LABELS, 5).astype(np.int64)
    recordings = [_recording(path, stretches) for path in sorted(folder.glob("acc_exp*.txt"))]
    if not recordings:
        raise DataError(f"{folder}: no acc_exp*_user*.txt in it; extract the archive again")
    if config.window is None:
        config = replace(config, window=WINDOW_S, rate_hz=RATE_HZ)
    return pool_of_recordings(config, recordings, ACTIVITIES, str(root), CHANNELS)


def _recording(path: Path, stretches: np.ndarray) -> Recording:
    named = _NAME.fullmatch(path.name)
    if named is None:
        raise DataError(f"{path}: expected a name like acc_exp01_user01.txt; restore it")
    other = path.with_name(path.name.replace("acc_", "gyro_", 1))
    parts = [_numbers(each, 3).astype(np.float32) for each in (path, other)]
    if len(parts[0]) != len(parts[1]):
        raise DataError(
            f"{other}: {len(parts[1])} time steps, but {path.name} has {len(parts[0])}; extract "
            "the archive again"
        )
    experiment, person = int(named[1]), int(named[2])
    labels = np.full(len(parts[0]), NO_CLASS, np.int64)
    for _, _, activity, first, last in stretches[stretches[:, 0] == experiment]:
        if 1 <= activity <= len(ACTIVITIES):
            labels[first - 1 : last] = activity - 1
    return Recording(path.name, np.concatenate(parts, axis=1), labels, f"person {person}")


def _numbers(path: Path, columns: int) -> np.ndarray:
    try:
        found = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); extract the archive again") from error
    if found.shape[1] != columns:
        raise DataError(
            f"{path}: {found.shape[1]} numbers a line, expected {columns}; extract the archive "
            "again"
        )
    return found
