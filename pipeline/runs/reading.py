"""Reading a run folder: only stages that are complete and fit together, only unchanged files.

A stage's `stage.json` holds its key, the hash of everything that it was made from, and the sha256
of each of its files. Both are checked before a figure is taken from it, so that the page never
mixes an old evaluation with a new model.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from hintlite.errors import WRONG_USE, HintliteError
from hintlite.keyed import added_defaults
from hintlite.pipeline.runs.layout import (
    BEST,
    BUNDLE_MANIFEST,
    RECORD,
    SETTINGS,
    TARGETS,
    TEACHER,
    quantize_stage,
    teacher_stages,
)
from hintlite.pipeline.runs.record import stage_key
from hintlite.pipeline.settings.run import RunConfig

LATER = json.loads(json.dumps(added_defaults(RunConfig())))  # tuples as lists, as files have them


class UnreadableError(HintliteError):
    """A run folder, or a result beside it, that cannot be read."""

    exit_code = WRONG_USE


@dataclass(frozen=True)
class StageState:
    """How far a stage is.

    Args:
        name: its path below the run folder.
        state: "complete", "begun" (not finished), "missing" or "outdated".
        reason: why an outdated one is.
    """

    name: str
    state: str
    reason: str | None = None


class RunFiles:
    """The files of one run.

    Args:
        path: the run folder.

    Raises:
        UnreadableError: it holds no settings.yaml, or one that cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.changed: set[str] = set()  # files that are not as their stage wrote them
        self._states: dict[str, StageState] = {}
        self.settings = self._read_settings()

    def _read_settings(self) -> dict[str, Any]:
        try:
            settings = yaml.safe_load((self.path / SETTINGS).read_text())
        except OSError as error:
            raise UnreadableError(
                f"expected a run folder with {SETTINGS}, got {self.path}: "
                f"`hintlite run {self.path}` starts a run there"
            ) from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UnreadableError(f"{self.path / SETTINGS} is no YAML: {error}") from error
        if not isinstance(settings, dict) or not isinstance(settings.get("arms"), list):
            raise UnreadableError(
                f"{self.path / SETTINGS} names no arms: it was not written by `hintlite run`"
            )
        return settings

    @property
    def arms(self) -> tuple[str, ...]:
        """The methods that the run compares."""
        return tuple(str(arm) for arm in self.settings["arms"])

    @property
    def models(self) -> tuple[str, ...]:
        """Everything that is converted and measured: the teacher and the arms."""
        return (TEACHER, *self.arms)

    @property
    def teachers(self) -> tuple[str, ...]:
        """Names of the teacher stages, one a member."""
        return teacher_stages(int(self.settings.get("teacher_members", 1)))

    @property
    def stages(self) -> tuple[str, ...]:
        """All stages of a complete run, in the order of the line, then the targets asked for."""
        distill = tuple(f"distill/{arm}" for arm in self.arms)
        quantize = tuple(map(quantize_stage, self.models))
        last = ("evaluate", "bundle", "benchmark")
        return ("data", *self.teachers, *distill, *quantize, *last, *self.targets)

    @cached_property
    def chosen(self) -> str | None:
        """The bundled arm; before there is a bundle the one that the settings name, if any."""
        manifest = self.json("bundle", BUNDLE_MANIFEST)
        if manifest is not None:
            return str(manifest["provenance"]["arm"])
        deploy = str(self.settings.get("deploy", BEST))
        return None if deploy == BEST else deploy

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """Names of the stages of targets other than this host; a run is complete without any."""
        folders = (self.path / TARGETS).glob("*/")
        names = {folder.name.removesuffix(".partial") for folder in folders}
        return tuple(f"{TARGETS}/{name}" for name in sorted(names) if not name.endswith(".old"))

    @cached_property
    def states(self) -> tuple[StageState, ...]:
        """How far each stage is."""
        return tuple(self.state(name) for name in self.stages)

    def state(self, name: str) -> StageState:
        """How far one stage is."""
        if name not in self._states:
            self._states[name] = self._judge(name)
        return self._states[name]

    def complete(self, name: str) -> bool:
        """Whether the stage's files count."""
        return self.state(name).state == "complete"

    def _judge(self, name: str) -> StageState:
        record = self.record(name)
        if record is None:
            begun = (self.path / f"{name}.partial").is_dir()
            return StageState(name, "begun" if begun else "missing")
        reason = self._outdated(record)
        return StageState(name, "outdated" if reason else "complete", reason)

    def _outdated(self, record: Mapping[str, Any]) -> str | None:
        for earlier in record["inputs"]:
            if not self.complete(earlier):
                return f"it was made from {earlier}, which is {self.state(earlier).state}"
        if differing := _differing(record["settings"], self.settings):
            return f"it was made with another setting of {differing}"
        inputs = {name: self._outputs(name) for name in record["inputs"]}
        parts = {name: record[name] for name in ("stage", "version", "settings", "libraries")}
        if stage_key(**parts, inputs=inputs) != record["key"]:
            return "it was made from other files than those that are there now"
        return None

    def record(self, name: str) -> dict[str, Any] | None:
        """What stage.json says; None if there is none that can be read."""
        try:
            record = json.loads((self.path / name / RECORD).read_text())
        except (OSError, ValueError):
            return None
        needed = {"stage", "version", "settings", "inputs", "libraries", "outputs", "key"}
        return record if isinstance(record, dict) and needed <= set(record) else None

    def _outputs(self, name: str) -> Any:
        record = self.record(name)
        return record["outputs"] if record else None

    def files(self, stage: str) -> tuple[str, ...]:
        """Names of a complete stage's files; empty for any other stage."""
        return tuple(sorted(self._outputs(stage))) if self.complete(stage) else ()

    def content(self, stage: str, name: str) -> bytes | None:
        """A file of a complete stage, if it is as the stage wrote it; else None."""
        if name not in self.files(stage):
            return None
        try:
            content = (self.path / stage / name).read_bytes()
        except OSError:
            self.changed.add(f"{stage}/{name}")
            return None
        if hashlib.sha256(content).hexdigest() != self._outputs(stage)[name]:
            self.changed.add(f"{stage}/{name}")
            return None
        return content

    def json(self, stage: str, name: str) -> Any:
        """A JSON file of a complete stage, or None."""
        content = self.content(stage, name)
        return None if content is None else json.loads(content)

    def arrays(self, stage: str, name: str) -> dict[str, np.ndarray]:
        """The arrays of an .npz file of a complete stage; empty if it is not there."""
        content = self.content(stage, name)
        if content is None:
            return {}
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {key: file[key] for key in file.files}

    def history(self, stage: str) -> tuple[list[dict[str, str]], bool]:
        """The epochs of a training, and whether it is finished.

        Of a training that was interrupted, the epochs until then are read.
        """
        content = self.content(stage, "history.csv")
        if content is not None:
            return list(csv.DictReader(io.StringIO(content.decode()))), True
        path = self.path / f"{stage}.partial" / "history.csv"
        if self.state(stage).state != "begun" or not path.is_file():
            return [], False
        return list(csv.DictReader(io.StringIO(path.read_text()))), False


def _differing(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """The first setting that a stage was made with and that is another one now."""
    for name, value in recorded.items():
        current = now.get("data", {}) if name == "augmentation" else now
        if name in current and not _agree(value, current[name], LATER.get(name)):
            return name
    return None


def _agree(recorded: Any, now: Any, later: Any) -> bool:
    """Whether two parts of the settings are the same, as far as both name them.

    Args:
        recorded: what a stage was made with.
        now: what the settings say.
        later: the defaults of the part's `added` settings, which a record leaves out.
    """
    if not (isinstance(recorded, dict) and isinstance(now, dict)):
        return bool(recorded == now)
    later = later if isinstance(later, dict) else {}
    # The data stage leaves the augmentation out of its record, which is a training's.
    whole = {name: value for name, value in later.items() if name != "augmentation"} | recorded
    return all(_agree(whole[name], now[name], later.get(name)) for name in whole if name in now)
