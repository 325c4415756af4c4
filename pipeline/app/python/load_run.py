"""`hintlite.load_run`: what a run's folder holds, as objects."""

from __future__ import annotations

import json
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from hintlite.errors import HintliteError
from hintlite.pipeline.app.python.arguments import ArgumentError, as_folder
from hintlite.pipeline.app.python.files import Feeding, Files
from hintlite.pipeline.runs.layout import FLOAT, INT8, SETTINGS, file_name, quantize_stage

if TYPE_CHECKING:
    import keras

    from hintlite.deploy.convert.verify import Verification
    from hintlite.pipeline.app.run.context import Context
    from hintlite.pipeline.data.sources.source import Source
    from hintlite.pipeline.report.subjects.table import Row
    from hintlite.pipeline.settings.run import RunConfig

Table = TypeVar("Table")
Value = TypeVar("Value")


class Run:
    """A run's folder; each part is read when it is asked for.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def config(self) -> RunConfig:
        """The settings."""
        import yaml

        from hintlite.pipeline.app.settings.text import config_from

        return config_from(yaml.safe_load((self.path / SETTINGS).read_text()))

    @property
    def teacher(self) -> keras.Model:
        """The teacher, with its taps; of several members, their ensemble."""
        self._require(self._context.teachers[0])
        return self._context.teacher()

    @property
    def students(self) -> dict[str, keras.Model]:
        """Arm -> trained student, input to logits."""
        from hintlite.pipeline.app.run.context import load_network

        arms = self.config.arms
        for arm in arms:
            self._require(f"distill/{arm}")
        return _ByName(
            (arm, load_network(self.path / f"distill/{arm}/student.keras")) for arm in arms
        )

    @property
    def files(self) -> dict[str, Files]:
        """ "teacher" or arm -> its INT8 and float files; those quantized otherwise are left out."""
        self._require("bundle")
        stages = {m: self.path / quantize_stage(m) for m in ("teacher", *self.config.arms)}
        return _ByName(
            (model, self._files(model, place))
            for model, place in stages.items()
            if (place / file_name(model, INT8)).is_file()
        )

    @property
    def table(self) -> list[Row]:
        """Every model in every precision: parameters, MACs, bytes, test accuracy, latency."""
        from hintlite.pipeline.report.subjects.table import read_rows
        from hintlite.pipeline.runs.reading import RunFiles

        for stage in ("evaluate", "benchmark"):
            self._require(stage)
        return read_rows(RunFiles(self.path))

    @property
    def bundle(self) -> Path:
        """The folder for a device."""
        from hintlite.pipeline.app.run.stages.bundle import DEVICE

        self._require("bundle")
        return self.path / DEVICE

    @property
    def source(self) -> Source:
        """The samples of a run from Python, for another: `hintlite.run(other, config, source)`.

        Raises:
            RunError: they are too many to have been kept.
        """
        from hintlite.pipeline.app.python.handed_over import kept_source
        from hintlite.pipeline.app.run.stages import evaluate

        self._require("samples")
        return kept_source(self._context.samples.data, self.path / evaluate.NAME / evaluate.TEST)

    @cached_property
    def _context(self) -> Context:
        from hintlite.pipeline.app.run.console import Terminal
        from hintlite.pipeline.app.run.context import Context
        from hintlite.pipeline.app.run.folder import RunFolder

        return Context(self.config, RunFolder(self.path), Terminal())

    def _require(self, stage: str) -> None:
        self._context.folder.record(stage)  # raises where the stage is not complete

    def _files(self, model: str, place: Path) -> Files:
        from hintlite.deploy.bundle.manifest import read_manifest
        from hintlite.deploy.tflite.quantization import normalize

        manifest = read_manifest(self.bundle)
        told = manifest["normalization"]
        with np.load(self.bundle / manifest["samples"]["file"], allow_pickle=False) as held:
            raw, labels = held["inputs"], held["labels"]
        mean, std = tuple(told["mean"]), tuple(told["std"])
        return Files(
            int8=(place / file_name(model, INT8)).read_bytes(),
            float32=(place / file_name(model, FLOAT)).read_bytes(),
            checks=_checks(json.loads((place / "verify.json").read_text())),
            samples=normalize(raw, mean, std),
            sample_labels=labels,
            labels=tuple(manifest["task"]["labels"]),
            feeding=Feeding(mean, std, told["raw_dtype"], told["raw_max"]),
            provenance={**manifest["provenance"], "arm": model},
        )

    def __repr__(self) -> str:
        return f"<Run {self.path}: {', '.join(self.config.arms)}>"


class NoModelError(HintliteError, KeyError):
    """A name that none of a run's models has."""

    __str__ = Exception.__str__  # KeyError's shows the quoted form of its argument


class _ByName(dict[str, Value]):
    """What a run holds, by arm; a name that is missing is answered with those that are there."""

    def __missing__(self, name: str) -> Value:
        raise NoModelError(f"the run has no {name!r}; it has {', '.join(self) or 'none yet'}")


def load_run(folder: str | Path) -> Run:
    """Reads a run's folder, from `hintlite.distill(folder=...)`, `hintlite.run` or the command.

    Args:
        folder: of the run, at any stage.

    Returns:
        `teacher`, `students` and `files` by arm, `table`, `config` and `bundle`; each is read when
        it is asked for, and refused while its stage is not complete.

    Raises:
        HintliteError: no run's folder.
    """
    path = as_folder(folder)
    if not (path / SETTINGS).is_file():
        raise ArgumentError(f"{path} is not a run's folder: there is no {SETTINGS} in it")
    return Run(path)


def _checks(stored: dict[str, Any]) -> Verification:
    from hintlite.deploy.convert.verify import Bounds, Figures, Verification

    figures = stored.get("figures")
    return Verification(
        samples=stored["samples"],
        kernels=stored["kernels"],
        bounds=_table(Bounds, stored["bounds"]),
        figures=None if figures is None else _table(Figures, figures),
        failures=tuple(stored["failures"]),
    )


def _table(kind: type[Table], stored: dict[str, Any]) -> Table:
    """A dataclass from what JSON made of it."""
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in stored.items()
            if name in known
        }
    )
