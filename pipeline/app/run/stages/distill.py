"""distill: one student an arm, trained by its method, everything else dropped."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hintlite.pipeline.app.run.context import TRAINING_LIBRARIES, Context, fresh_session
from hintlite.pipeline.app.run.folder import Stage
from hintlite.pipeline.app.run.pair import method_for, student_for
from hintlite.pipeline.app.run.teacher_taps import cached_taps, mode
from hintlite.pipeline.app.run.training import finish, train_with_progress
from hintlite.pipeline.app.run.validation import measured, predictor, require_useful, sentence
from hintlite.pipeline.methods import settings_read

if TYPE_CHECKING:
    from hintlite.pipeline.training.train import Job

MAPS = "hint_maps.npz"
MAP_IMAGES = 6  # validation images whose hint maps are kept for the report


def stages(context: Context) -> list[Stage]:
    """One stage an arm, each writing student.keras, dropped.npz and others.

    Arms that compare maps in a phase before the task phase write hint_maps.npz too.
    """
    return [_stage(context, arm) for arm in context.config.arms]


def _stage(context: Context, arm: str) -> Stage:
    from hintlite.pipeline.training.checkpoint import CHECKPOINT

    settings = context.settings("student", "training", "seed", "hint_member")
    settings |= settings_read(arm, context.config) | context.training_samples()
    if arm != "scratch":
        settings["teacher_outputs"] = mode(context.config)
    if context.config.student.path is not None:
        settings["file"] = context.file_hash(context.config.student.path, f"distill/{arm}")
        settings |= context.imported()
    return Stage(
        name=f"distill/{arm}",
        version=2,
        settings=settings,
        inputs=context.teachers,
        libraries=TRAINING_LIBRARIES,
        work=lambda folder: _work(context, arm, folder),
        resumes=True,
        scratch=(CHECKPOINT,),
        origin={"file": context.config.student.path},
    )


def _work(context: Context, arm: str, folder: Path) -> None:
    import numpy as np

    from hintlite.pipeline.data.few_labels import with_few_labels
    from hintlite.pipeline.training.drop_regressor import drop_regressor
    from hintlite.pipeline.training.train import Job

    require_useful(context)
    config = context.config
    data = with_few_labels(context.data, config.training.labels, config.data.split_seed)
    with fresh_session(config.seed, config.training.precision):
        teacher = context.teacher()
        student = student_for(context, teacher)
        method = method_for(context, arm, teacher, student)
        job = Job(
            student=student,
            method=method,
            teacher=teacher,
            data=data,
            augmentation=config.data.augmentation,
            config=config.training,
            seed=config.seed,
            folder=folder,
            cached=cached_taps(context, method, teacher),
        )
        keep_maps = partial(_keep_maps, job, folder)
        title = f"student, {arm}"
        history = train_with_progress(context, job, title, arm, keep_maps, context.at_epoch)
        extras = [extra for phase in method.phases().values() for extra in phase.extras]
        alone = drop_regressor(student, extras)
        dropped = [v for extra in extras for v in extra.variables]
        names = [f"{i}:{v.path.replace('/', ':')}" for i, v in enumerate(dropped)]
        arrays = {name: v.numpy() for name, v in zip(names, dropped, strict=True)}
        np.savez(folder / "dropped.npz", **arrays)
        found = measured(predictor(alone), data)
        updates = config.training.updates(len(data.train))
        context.terminal.say(sentence(title, found, updates))
        finish(alone, folder / "student.keras", history, config.training.chosen_by, found)


def _keep_maps(job: Job, folder: Path, phase: str) -> None:
    """At the end of the hint phase: what the teacher shows and what the student makes of it."""
    import numpy as np

    from hintlite.models.taps import subnetwork
    from hintlite.pipeline.methods.base import Batch

    if phase != "pretrain" or job.teacher is None or job.data is None:
        return
    taps = job.method.phases()[phase]
    if not taps.teacher_taps:
        return
    rows = job.data.validation[:MAP_IMAGES]
    images = job.data.normalized(rows)
    batch = Batch(
        student=subnetwork(job.student, sorted(taps.student_taps))(images, training=False),
        teacher=subnetwork(job.teacher, sorted(taps.teacher_taps))(images, training=False),
        labels=job.data.labels[rows],
        index=rows,
        training=False,
    )
    maps = job.method.compared_maps(batch)
    if not maps:
        return
    arrays = {"images": job.data.images[rows]}
    for name, (target, prediction) in maps.items():
        arrays[f"hint:{name}"], arrays[f"regressed:{name}"] = map(np.asarray, (target, prediction))
    np.savez(folder / MAPS, allow_pickle=False, **arrays)
