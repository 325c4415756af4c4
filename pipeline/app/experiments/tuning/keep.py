"""What stays of the best trial: its students, their histories and their INT8 files."""

from __future__ import annotations

import shutil
from pathlib import Path

from hintlite.files import folder_aside
from hintlite.pipeline.app.experiments.tuning.layout import Layout
from hintlite.pipeline.runs.layout import QUANTIZED

KEPT = (
    *("distill/*/student.keras", "distill/*/history.csv"),
    *(f"quantize/*/student_{precision}.tflite" for precision in QUANTIZED),
)


def keep_best(layout: Layout, number: int, origin: int) -> None:
    """Puts a trial's students in the place of those of the best one before it; can be repeated.

    Args:
        layout: of the tuning.
        number: of the best trial.
        origin: number that names its folder.
    """
    place = layout.best / f"trial-{number:04d}"
    work = layout.work(origin)
    if not place.exists() and work.exists():
        runs = sorted(work.glob("seed-*"))
        if runs:
            with folder_aside(place) as aside:
                for run in runs:
                    _copy(run, aside / run.name)
    if place.exists():
        for other in layout.best.iterdir():
            if other != place:
                shutil.rmtree(other)


def _copy(run: Path, place: Path) -> None:
    place.mkdir(parents=True)
    for pattern in KEPT:
        for path in run.glob(pattern):
            shutil.copy2(path, place / path.name)
