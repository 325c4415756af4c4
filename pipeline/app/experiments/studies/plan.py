"""From a study to its runs: the settings of each, and an id that stands for all that decides it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.errors import SettingsError
from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.app.experiments.definitions import merged, require_data
from hintlite.pipeline.app.experiments.studies.definition import Arm, Study
from hintlite.pipeline.app.run.cache_place import disk
from hintlite.pipeline.app.run.console import Terminal
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import RunFolder, Stage
from hintlite.pipeline.app.run.samples import RunSamples
from hintlite.pipeline.app.run.stages import data as data_stage
from hintlite.pipeline.app.run.stages import distill, evaluate, quantize, teacher
from hintlite.pipeline.app.settings.text import config_from
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.runs.record import digest
from hintlite.pipeline.settings.quantize import QuantizeConfig
from hintlite.pipeline.settings.run import RunConfig

if TYPE_CHECKING:
    from hintlite.pipeline.data.training_data import TrainingData

ID_LENGTH = 16  # of 64 hexadecimal digits: enough to tell any two runs apart


@dataclass(frozen=True)
class Run:
    """One student to train.

    Attributes:
        id: hash of everything that decides its outcome.
        arm: its name in the study.
        seed: of the student.
        teacher_seed: of the teacher.
        teacher: the key of its teacher.
        config: the settings, with this one arm.
        bounds: what the study's settings ask of INT8; the run itself measures and refuses nothing.
    """

    id: str
    arm: str
    seed: int
    teacher_seed: int
    teacher: str
    config: RunConfig
    bounds: QuantizeConfig


@dataclass(frozen=True)
class Plan:
    """All runs of a study.

    Attributes:
        runs: in the order in which they are begun: seed by seed, so that the arms can soon be
            compared.
        teachers: key -> the settings with which that teacher is trained and tested.
    """

    runs: tuple[Run, ...]
    teachers: dict[str, RunConfig]


def make_plan(study: Study, folder: Path = Path()) -> Plan:
    """The runs of a study; reads the training data for its fingerprint.

    Args:
        study: from its file.
        folder: the study's own, whose cache holds samples that are too many for memory.

    Raises:
        SettingsError: settings that cannot work, or two arms that are the same.
        DataError: samples that cannot be used.
    """
    loaded: dict[str, TrainingData] = {}
    arms = [(arm, _config(study, arm)) for arm in study.arms]
    runs = [
        _run(arm, config, (seed, teacher_seed), folder, loaded)
        for teacher_seed in study.teacher_seeds
        for seed in sorted({seed for arm in study.arms for seed in arm.seeds})
        for arm, config in arms
        if seed in arm.seeds
    ]
    _refuse_twins(runs)
    teachers: dict[str, RunConfig] = {}
    for run in runs:
        teachers.setdefault(run.teacher, run.config)
    return Plan(tuple(runs), teachers)


def student_identity(context: Context) -> dict[str, Any]:
    """Everything that decides the outcome of a run with one arm, as plain data.

    Library versions are not among it: they stand in the record, and the report tells where they
    differ. Neither are paths: the fingerprint of the samples is.
    """
    (arm,) = context.config.arms
    stages = [data_stage.stage(context), *distill.stages(context)]
    stages += [stage for stage in quantize.stages(context) if stage.name == f"quantize/{arm}"]
    return {
        "teacher": teacher_key(context),
        "stages": [_portable(stage) for stage in stages],
        "evaluate": evaluate.VERSION,
    }


def teacher_identity(context: Context) -> dict[str, Any]:
    """Everything that decides which teacher is trained, as plain data."""
    return {"stages": [_portable(stage) for stage in teacher.stages(context)]}


def teacher_key(context: Context) -> str:
    """Hash of what decides which teacher is trained."""
    return short(teacher_identity(context))


def short(identity: Mapping[str, Any]) -> str:
    """The id that stands for an identity."""
    return digest(identity)[:ID_LENGTH]


def _config(study: Study, arm: Arm) -> RunConfig:
    """An arm's settings, which all its runs have but for the seeds."""
    settings = merged(study.base, arm.settings)
    try:
        config = config_from(settings | {"arms": [arm.method], "deploy": "best"})
    except WrongUseError as error:
        raise SettingsError(f"arm {arm.name!r}: {error}") from error
    require_data(settings, f"{study.name}.yaml: base")
    return config


def _run(
    arm: Arm,
    config: RunConfig,
    seeds: tuple[int, int],
    folder: Path,
    loaded: dict[str, TrainingData],
) -> Run:
    seed, teacher_seed = seeds
    bounds = config.quantize
    # A study shows what INT8 costs, and shows it of the worst arm too.
    unbound = replace(bounds, min_agreement=0.0, max_accuracy_drop=100.0)
    config = replace(config, seed=seed, teacher_seed=teacher_seed, quantize=unbound)
    context = _context(config, folder, loaded)
    return Run(
        id=short(student_identity(context)),
        arm=arm.name,
        seed=seed,
        teacher_seed=teacher_seed,
        teacher=teacher_key(context),
        config=config,
        bounds=bounds,
    )


def _context(config: RunConfig, place: Path, loaded: dict[str, TrainingData]) -> Context:
    """A context without a folder, whose samples are read once for all runs that share them."""
    samples = digest(asdict(config.data))
    if samples not in loaded:
        loaded[samples] = load_training(config.data, disk=disk(config, place / "run"))
    folder = RunFolder(Path())
    data = RunSamples(config.data, folder, loaded=loaded[samples])
    return Context(config, folder, _terminal(), data, models=config.arms)


def _portable(stage: Stage) -> dict[str, Any]:
    """A stage's name, version and settings without the places of files on this machine."""
    settings = dict(stage.settings)
    for part in ("data", "teacher", "student"):  # their contents are hashed
        if part in settings:
            settings[part] = {k: v for k, v in settings[part].items() if k != "path"}
    return {"name": stage.name, "version": stage.version, "settings": settings}


def _refuse_twins(runs: list[Run]) -> None:
    """Two arms with the same settings would share their runs and be compared with themselves."""
    arms: dict[str, str] = {}
    for run in runs:
        other = arms.setdefault(run.id, run.arm)
        if other != run.arm:
            raise SettingsError(
                f"the arms {other!r} and {run.arm!r} have the same method and settings: leave one "
                "out"
            )


@cache
def _terminal() -> Terminal:
    return Terminal()
