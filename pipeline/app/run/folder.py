"""The run folder: a lock, and one folder a stage that appears whole or not at all.

A stage works in `<stage>.partial` beside its place. When it is complete, `stage.json` is written
into it, then what only serves to go on with it is removed, and it is renamed: at every moment a
kill leaves either something to go on from or a complete stage. `stage.json` holds the key (a hash
of everything that the stage depends on) and the sha256 of each file, so that a later run knows
whether it may be used.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from hintlite.errors import FAILED, WRONG_USE, HintliteError
from hintlite.files import sweep, write_whole
from hintlite.pipeline.runs.layout import RECORD
from hintlite.pipeline.runs.record import stage_key

KEY = "key.txt"


class RunError(HintliteError):
    """A run folder that cannot be used as asked."""

    exit_code = WRONG_USE


class BusyError(RunError):
    """A run folder that another process is working in."""

    exit_code = FAILED


@dataclass(frozen=True)
class Stage:
    """One folder to be filled.

    Attributes:
        name: its path below the run folder, such as "distill/kd".
        version: of the code behind it; raised whenever the same inputs give another output.
        settings: every setting that it depends on, as plain data.
        inputs: names of the stages whose files it reads.
        libraries: packages whose versions decide its output.
        work: fills the folder it is given.
        resumes: an interrupted try is gone on with; otherwise its leftovers are thrown away.
        scratch: files and folders of that work which only serve to go on with it. The work leaves
            them there; they are removed when the stage is complete, and are no part of it.
        origin: what it takes from outside the run -> where that lay. This is recorded, but is no
            part of the key: contents decide, not places.
    """

    name: str
    version: int
    settings: Mapping[str, Any]
    inputs: tuple[str, ...]
    libraries: tuple[str, ...]
    work: Callable[[Path], None]
    resumes: bool = False
    scratch: tuple[str, ...] = ()
    origin: Mapping[str, str | None] = field(default_factory=dict)


class RunFolder:
    """A run's folder.

    Args:
        path: created if it is missing.

    Attributes:
        completed: names of the stages that were done through this object.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.completed: list[str] = []

    def place(self, name: str) -> Path:
        """The folder of a stage."""
        return self.path / name

    def partial(self, name: str) -> Path:
        """Where a stage works until it is complete."""
        place = self.place(name)
        return place.with_name(place.name + ".partial")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the folder for this process; the kernel releases it when the process ends.

        Raises:
            BusyError: another process holds it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise RunError(f"{self.path} is a file: name a folder for the run") from error
        with (self.path / ".lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                raise BusyError(
                    f"{self.path} is in use by process {holder}: wait for it, stop it, "
                    "or name another folder"
                ) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def key(self, stage: Stage) -> str:
        """Hash of everything that the stage depends on; its inputs must be complete."""
        return stage_key(
            stage.name,
            stage.version,
            stage.settings,
            {name: self.outputs(name) for name in stage.inputs},
            versions(stage.libraries),
        )

    def record(self, name: str) -> dict[str, Any]:
        """What stage.json of a complete stage says.

        Raises:
            RunError: the stage is not complete.
        """
        try:
            record: dict[str, Any] = json.loads((self.place(name) / RECORD).read_text())
        except (OSError, json.JSONDecodeError) as error:
            raise RunError(
                f"{self.place(name)} holds no complete stage {name!r}: "
                f"`hintlite run {self.path}` makes it"
            ) from error
        return record

    def found(self, name: str) -> dict[str, Any] | None:
        """What stage.json of a complete stage says; None where there is none."""
        return self.record(name) if (self.place(name) / RECORD).is_file() else None

    def outputs(self, name: str) -> dict[str, str]:
        """File name -> sha256 of a complete stage."""
        outputs: dict[str, str] = self.record(name)["outputs"]
        return outputs

    def is_fresh(self, stage: Stage) -> bool:
        """Whether the stage is complete, unchanged on disk, and made from just these things."""
        if not (self.place(stage.name) / RECORD).exists():
            return False
        record = self.record(stage.name)
        return bool(
            record["key"] == self.key(stage) and record["outputs"] == hashes(self.place(stage.name))
        )

    def complete(self, stage: Stage) -> bool:
        """Makes sure that the stage's folder is there and right.

        Returns:
            Whether there was anything to do.
        """
        self._finish(stage)
        if self.is_fresh(stage):
            self._note_origin(stage)
            return False
        key = self.key(stage)
        partial = self._workplace(stage, key)
        stage.work(partial)
        record = {
            "stage": stage.name,
            "key": key,
            "version": stage.version,
            "settings": stage.settings,
            "inputs": {name: self.record(name)["key"] for name in stage.inputs},
            "libraries": versions(stage.libraries),
            "outputs": hashes(partial, leave_out=(KEY, *stage.scratch)),
            "origin": dict(stage.origin),
        }
        _write_record(partial, record)
        self._finish(stage)
        self.completed.append(stage.name)
        return True

    def _note_origin(self, stage: Stage) -> None:
        """The same contents may lie elsewhere by now."""
        record = self.record(stage.name)
        if stage.origin and record.get("origin") != stage.origin:
            _write_record(self.place(stage.name), record | {"origin": dict(stage.origin)})

    def _workplace(self, stage: Stage, key: str) -> Path:
        """The partial folder, with what an interrupted try left in it where that is of use."""
        partial = self.partial(stage.name)
        noted = partial / KEY
        same = noted.exists() and noted.read_text() == key
        if partial.exists() and not (stage.resumes and same):
            shutil.rmtree(partial)
        partial.mkdir(parents=True, exist_ok=True)
        sweep(partial)
        if not noted.exists():
            write_whole(noted, key)
        return partial

    def _finish(self, stage: Stage) -> None:
        """Puts a complete partial folder in its place; safe to repeat after a kill."""
        partial, place = self.partial(stage.name), self.place(stage.name)
        old = place.with_name(place.name + ".old")
        if (partial / RECORD).exists():
            for each in (KEY, *stage.scratch):
                _remove(partial / each)
            if place.exists():
                shutil.rmtree(old, ignore_errors=True)
                os.rename(place, old)
            os.rename(partial, place)
        shutil.rmtree(old, ignore_errors=True)


def _write_record(folder: Path, record: Mapping[str, Any]) -> None:
    write_whole(folder / RECORD, json.dumps(record, indent=1, sort_keys=True))


def versions(libraries: tuple[str, ...]) -> dict[str, str | None]:
    """Library -> its version, None for one that is not installed."""
    found: dict[str, str | None] = {}
    for name in libraries:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def hashes(folder: Path, leave_out: tuple[str, ...] = ()) -> dict[str, str]:
    """File -> sha256 of everything in a stage's folder but its record.

    Args:
        folder: the stage's.
        leave_out: files and folders in it that are passed over.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != RECORD)
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.relative_to(folder).parts[0] not in leave_out
    }


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
