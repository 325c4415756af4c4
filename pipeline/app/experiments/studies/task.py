"""One teacher or one student of a study as a task: what a worker is asked, and what stays of it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hintlite.pipeline.app.experiments.studies.keep import KEEP
from hintlite.pipeline.app.experiments.studies.layout import Layout
from hintlite.pipeline.app.experiments.studies.records import STUDENT, TEACHER, share_record
from hintlite.pipeline.runs.layout import QUANTIZED, file_name


@dataclass(frozen=True)
class Task:
    """What a worker is asked to do; plain data, so that it can go to another process or machine.

    Attributes:
        kind: "teacher" or "student".
        id: the teacher's key, or the student's id.
        teacher: the key of the student's teacher; the same as `id` for a teacher.
        folder: of the study, absolute.
        results: where records go, absolute.
        settings: of the run.
        keep: what is kept of a student beside its record, see KEEP.
        title: for people.
    """

    kind: str
    id: str
    teacher: str
    folder: str
    results: str
    settings: dict[str, Any]
    keep: str = KEEP[0]
    title: str = ""

    @property
    def layout(self) -> Layout:
        """Where the study keeps what."""
        return Layout(Path(self.folder), Path(self.results))

    @property
    def place(self) -> Path:
        """The run folder."""
        layout = self.layout
        return layout.teacher(self.id) if self.kind == TEACHER else layout.work(self.id)

    @property
    def deterministic(self) -> bool:
        """Whether it needs a process that computes deterministically."""
        return bool(self.settings["deterministic"])

    def request(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def is_done(task: Task) -> bool:
    """Whether there is a record of it; a teacher must also be on this machine."""
    if task.kind == STUDENT:
        return task.layout.record(task.id).exists()
    path = task.layout.teacher_record(task.id)
    if not path.exists():
        return False
    copy = task.layout.record(json.loads(path.read_text())["id"])
    if not copy.exists():
        share_record(copy, path.read_text())
    return True


def said_of(task: Task) -> str:
    """What there is to say of a task that is done: of a student, its accuracies."""
    if task.kind == TEACHER:
        return "done"
    test = json.loads(task.layout.record(task.id).read_text())["test"]
    return ", ".join(f"{precision} {_figure(each)}" for precision, each in test.items())


def _figure(test: Mapping[str, Any] | None) -> str:
    return "without a file" if test is None else f"{100 * test['accuracy']:.2f} %"


def tidy(task: Task) -> None:
    """Keeps of a finished student what was asked for, and removes the rest; can be repeated."""
    place = task.place
    if task.kind == TEACHER or task.keep == "all" or not place.exists():
        return
    (arm,) = task.settings["arms"]
    kept = {
        f"distill/{arm}/student.keras": "student.keras",
        f"distill/{arm}/history.csv": "history.csv",
    }
    for precision in QUANTIZED:
        name = file_name(arm, precision)
        kept[f"quantize/{arm}/{name}"] = name
    if task.keep == "models":
        models = task.layout.models(task.id)
        models.mkdir(parents=True, exist_ok=True)
        for source, name in kept.items():
            if (place / source).exists():
                os.replace(place / source, models / name)
    shutil.rmtree(place, ignore_errors=True)  # the link to the teacher goes, the teacher stays
