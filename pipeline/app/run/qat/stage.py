"""The quantize stage by fine-tuning: a student with quantization in the loop, and its control."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.files import write_whole
from hintlite.keyed import added_defaults, keyed
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.qat import outcome as qat_outcome
from hintlite.pipeline.app.run.qat.acceptance import Before, sentence
from hintlite.pipeline.app.run.qat.outcome import Task
from hintlite.pipeline.app.run.teacher_taps import cached_tap, mode
from hintlite.pipeline.methods import method_names
from hintlite.pipeline.qat.job import VERSION
from hintlite.pipeline.runs.layout import FINE_TUNING, file_name

if TYPE_CHECKING:
    import keras

    from hintlite.pipeline.qat.job import Job


@dataclass(frozen=True, eq=False)
class Student:
    """A trained student.

    Attributes:
        arm: its method.
        before: the network, and what calibration makes of it.
    """

    arm: str
    before: Before


def has_soft_targets(context: Context, arm: str) -> bool:
    """Whether the fine-tuning goes on with the teacher's soft targets."""
    wanted = context.config.qat.soft_targets
    return wanted == "always" or (wanted == "as_arm" and "kd" in method_names(arm))


def settings(context: Context, arm: str) -> dict[str, Any]:
    """What decides the outcome beside the settings of `quantize`."""
    found = context.settings("qat", "seed") | context.training_samples() | {"fine_tuning": VERSION}
    training = keyed(context.config.training)
    later = added_defaults(context.config.training)
    read = ("batch_size", "label_smoothing", "class_weights", *later)
    found["training"] = {name: training[name] for name in read if name in training}
    found["soft_targets"] = None
    if has_soft_targets(context, arm):
        found["soft_targets"] = keyed(context.config.kd) | {"teacher_outputs": mode(context.config)}
    return found


def check_ready(network: keras.Model) -> None:
    """Refuses, before any work, what could not be ended.

    Args:
        network: the student, input to logits.

    Raises:
        QatError: a package is missing.
        CarryError: the student cannot be carried over; the text names the layer.
    """
    from hintlite.pipeline.qat.launch import require_packages
    from hintlite.pipeline.qat.read import read

    require_packages()
    read(network)


def fine_tune(context: Context, student: Student, folder: Path) -> None:
    """Fills the stage's folder, going on where an earlier try was stopped.

    Raises:
        StageError: the outcome breaks a bound.
        CarryError, QatError: see hintlite.pipeline.app.run.qat.outcome.fine_tune.
    """
    shared, config = folder / FINE_TUNING, context.config
    _share(context, student, shared)
    task = Task(
        student.before,
        context.data,
        _job(context, student.arm),
        config.quantize,
        config.qat,
        name=repr(student.arm),
        cure="qat.epochs or qat.learning_rate, or the bounds quantize.* and qat.*",
        suffix=f", {student.arm}",
    )
    kept = qat_outcome.fine_tune(context.terminal, shared, task)
    kept.report["qat"]["soft_targets"] = task.job.soft_weight > 0
    kept.write(folder, partial(file_name, student.arm), "student_qat.keras")
    write_whole(folder / "verify.json", json.dumps(kept.report, indent=1))
    context.terminal.say(f"{student.arm} {sentence(kept.report)}")


def _share(context: Context, student: Student, shared: Path) -> None:
    """Writes what the jobs read: network, samples, soft targets."""
    import numpy as np

    from hintlite.pipeline.qat.prepare import save_teacher, write_shared

    logits = None
    if has_soft_targets(context, student.arm):
        teacher = context.teacher()
        cached = cached_tap(context, teacher, "logits")
        if cached is not None:
            logits = np.stack(cached.views)
        else:
            shared.mkdir(exist_ok=True)
            save_teacher(teacher, shared)
    write_shared(shared, student.before.network, context.data, logits)


def _job(context: Context, arm: str) -> Job:
    from hintlite.pipeline.qat.job import Job
    from hintlite.pipeline.training.train import class_weights

    config, data = context.config, context.data
    qat, training, kd = config.qat, config.training, config.kd
    balanced = class_weights(data) if training.class_weights == "balanced" else {}
    soft = has_soft_targets(context, arm)
    return Job(
        quantized=True,
        epochs=qat.epochs,
        learning_rate=qat.learning_rate,
        batch_size=training.batch_size,
        freeze_norm_after=qat.freeze_norm_after,
        seed=config.seed,
        augmentation=asdict(config.data.augmentation),
        label_weight=kd.label_weight if soft else 1.0,
        label_smoothing=training.label_smoothing,
        class_weights=tuple(balanced[i] for i in sorted(balanced)),
        soft_weight=kd.weight_end if soft else 0.0,
        temperature=kd.temperature,
        tau_squared=kd.tau_squared,
        deterministic=config.deterministic,
    )
