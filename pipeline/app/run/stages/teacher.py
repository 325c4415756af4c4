"""teacher: the large network, one folder a member of the ensemble."""

from __future__ import annotations

from pathlib import Path

from hintlite.pipeline.app.run.context import TRAINING_LIBRARIES, Context, fresh_session
from hintlite.pipeline.app.run.folder import Stage
from hintlite.pipeline.app.run.own_range import OWN_RANGE, built_teacher
from hintlite.pipeline.app.run.training import finish, train_with_progress
from hintlite.pipeline.app.run.validation import asked, measured, predictor, sentence
from hintlite.pipeline.settings.run import RunConfig

MEMBER_SEEDS = 1000  # members' seeds lie this far apart


def stages(context: Context) -> list[Stage]:
    """One stage a member, each writing network.keras, history.csv and summary.json."""
    return [_stage(context, i, name) for i, name in enumerate(context.teachers)]


def _stage(context: Context, member: int, name: str) -> Stage:
    from hintlite.pipeline.training.checkpoint import CHECKPOINT

    config = context.config
    settings = context.settings("teacher", "teacher_training", *OWN_RANGE)
    settings |= {"seed": _seed(config)} | context.training_samples()
    settings["member"] = member
    if config.teacher.path is not None:
        settings["file"] = context.file_hash(config.teacher.path, name)
        settings |= context.imported()
    return Stage(
        name=name,
        version=2,
        settings=settings,
        inputs=(),
        libraries=TRAINING_LIBRARIES,
        work=lambda folder: _work(context, member, folder),
        resumes=True,
        scratch=(CHECKPOINT,),
        origin={"file": config.teacher.path},
    )


def _seed(config: RunConfig) -> int:
    return config.seed if config.teacher_seed is None else config.teacher_seed


def _work(context: Context, member: int, folder: Path) -> None:
    from hintlite.pipeline.data.few_labels import with_few_labels
    from hintlite.pipeline.data.normalization import GIVEN
    from hintlite.pipeline.methods.scratch import Scratch
    from hintlite.pipeline.training.train import Job

    config = context.config
    labels = config.teacher_training.labels
    data = with_few_labels(context.data, labels, config.data.split_seed)
    seed = _seed(config) + MEMBER_SEEDS * member
    with fresh_session(seed, config.teacher_training.precision):
        network = built_teacher(context)
        job = Job(
            student=network,
            method=Scratch(),
            teacher=None,
            data=data,
            augmentation=config.data.augmentation,
            config=config.teacher_training,
            seed=seed,
            folder=folder,
        )
        title = "teacher" if config.teacher_members == 1 else f"teacher {member}"
        given = config.teacher.family == "keras_file"  # a user's own teacher is used as it is
        history = [] if given else train_with_progress(context, job, title)
        predict = predictor(network)
        found = measured(predict, data)
        if given:
            found["asked"] = asked(
                predict, data, GIVEN if config.data.mean else config.data.normalization
            )
        context.terminal.say(sentence(title, found))
        chosen_by = config.teacher_training.chosen_by
        finish(network, folder / "network.keras", history, chosen_by, found)
