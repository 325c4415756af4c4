"""The record of a finished run: one small JSON, from which a study can be carried on anywhere."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hintlite.errors import SettingsError
from hintlite.files import write_whole
from hintlite.pipeline.app.experiments.studies.plan import short

SCHEMA = "hintlite-study-run/1"
STUDENT, TEACHER = "student", "teacher"


class RecordError(SettingsError):
    """A record that is not what its name says."""


@dataclass(frozen=True)
class Records:
    """All records of a folder.

    Attributes:
        students: id -> record.
        teachers: the records of teachers; several of one key where machines trained it anew.
    """

    students: dict[str, dict[str, Any]]
    teachers: tuple[dict[str, Any], ...]

    def teachers_of(self, keys: Container[str]) -> list[dict[str, Any]]:
        """The records of the teachers with these keys."""
        return [record for record in self.teachers if record["key"] in keys]


def read_records(results: Path) -> Records:
    """Every record in a folder; other files are passed over.

    Raises:
        RecordError: one is damaged, or its content does not belong to its name.
    """
    students, teachers = {}, []
    for path in sorted(results.glob("*.json")):
        record = read_record(path)
        if record is None:
            continue
        if record["kind"] == TEACHER:
            teachers.append(record)
        else:
            students[record["id"]] = record
    return Records(students, tuple(teachers))


def read_record(path: Path) -> dict[str, Any] | None:
    """One record; None for a JSON of another kind.

    Raises:
        RecordError: it is damaged, or its content does not belong to its name.
    """
    try:
        record = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RecordError(
            f"{path} cannot be read ({error}): delete it, and the run is done again"
        ) from error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        return None
    expected = record_id(record["kind"], record["identity"], record)
    if not record["id"] == expected == path.stem:
        raise RecordError(
            f"{path}: its settings stand for the run {expected}, so the file was renamed or "
            "changed: restore it, or delete it, and the run is done again"
        )
    return record


def record_id(kind: str, identity: dict[str, Any], record: dict[str, Any]) -> str:
    """The name of a record: a student's follows from its settings.

    A teacher's also names its weights, for two machines that train it do not get the same.
    """
    if kind == STUDENT:
        return short(identity)
    return f"teacher-{short(identity)}-{record['weights_sha256'][:8]}"


def share_record(path: Path, text: str) -> None:
    """Puts a record where studies share theirs; one that is there already stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}")
    write_whole(aside, text)
    try:
        with contextlib.suppress(FileExistsError):  # another study was first: its run counts
            os.link(aside, path)
    finally:
        aside.unlink()
    read_record(path)  # what cannot be read back is no record
