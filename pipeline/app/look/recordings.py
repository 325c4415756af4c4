"""Recordings for `hintlite predict`, cut into windows as those were that the run was trained on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.errors import DataError
from hintlite.pipeline.app.look.deployed import Deployed
from hintlite.pipeline.runs.layout import SETTINGS

if TYPE_CHECKING:
    import numpy as np

SOURCE = "recordings"


def is_recording(deployed: Deployed, path: Path) -> bool:
    """Whether a file is a recording for a model of series [time, channels]."""
    from hintlite.pipeline.data.table_file import SUFFIXES

    return len(deployed.manifest["task"]["input_shape"]) == 2 and path.suffix.lower() in SUFFIXES


def windows(deployed: Deployed, path: Path) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """The windows of a recording in their order.

    Args:
        deployed: in the folder of its run.
        path: `.csv` or `.parquet`.

    Returns:
        For each: its first and its last time step, as `window`; and float32 [time, channels].

    Raises:
        DataError: it has other columns, is shorter than a window, or the model is of no run that
            was made of recordings.
    """
    from hintlite.pipeline.app.run.samples import DATA, FACTS
    from hintlite.pipeline.app.settings.text import config_from, read_settings
    from hintlite.pipeline.data.sources.recordings import channels_in, windows_of

    run = deployed.folder.resolve().parents[1]  # RUN/bundle/device
    own = run / SETTINGS
    config = config_from(read_settings(own)).data if own.is_file() else None
    if config is None or config.source != SOURCE:
        steps, channels = deployed.manifest["task"]["input_shape"]
        raise DataError(
            f"{path}: recordings are cut as a run's settings say, and {deployed.folder} belongs to "
            f"no run on recordings: name such a run, or give windows [{steps}, {channels}] as .npy"
        )
    notes = json.loads((run / DATA / FACTS).read_text())["notes"]
    samples, first = windows_of(path, config, config.columns or channels_in(notes, config))
    for start, window in zip(first, samples, strict=True):
        yield {"window": [start, start + len(window) - 1]}, window
