"""What the teacher and distill stages share: progress, and the files at the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.files import aside, write_whole
from hintlite.pipeline.app.run.console import Bar
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.methods import phase_title
from hintlite.pipeline.settings.training import few_steps

if TYPE_CHECKING:
    import keras

    from hintlite.pipeline.training.checkpoint import Row
    from hintlite.pipeline.training.train import Job, Watcher


def train_with_progress(
    context: Context,
    job: Job,
    title: str,
    arm: str | None = None,
    phase_end: Callable[[str], None] = lambda phase: None,
    at_epoch: Callable[[Row], None] | None = None,
) -> list[Row]:
    """Trains a job while a bar follows its steps.

    Args:
        context: the run.
        job: what is trained.
        title: of the bar.
        arm: the student's; None for a teacher.
        phase_end: is told the phase that has ended.
        at_epoch: is told each row of the history.

    Returns:
        The history.
    """
    from dataclasses import replace

    from hintlite.pipeline.training.train import train

    section = "teacher_training" if arm is None else "training"
    note = few_steps(len(context.data.train), job.config.batch_size, section)
    for line in (*job.method.remarks(), *([note] if note else [])):
        context.terminal.say(f"{title}: {line}")
    with context.terminal.task(title) as bar:
        callbacks = (*job.callbacks, *_tensorboard(context, title))
        watcher = _watcher(bar, arm or "scratch", phase_end, at_epoch)
        return train(replace(job, watcher=watcher, callbacks=callbacks))


def _tensorboard(context: Context, title: str) -> list[keras.callbacks.Callback]:
    import keras

    if context.logs is None:
        return []
    folder = context.logs / title.replace(", ", "-")
    return [keras.callbacks.TensorBoard(str(folder), write_graph=False)]


def finish(
    network: keras.Model,
    path: Path,
    history: list[Row],
    chosen_by: str,
    validation: dict[str, Any],
) -> None:
    """Writes the network, computing in float32, and the summary.

    The checkpoint stays until the stage is complete (`Stage.scratch`): a training that is stopped
    here goes on from it, and is at its end at once.
    """
    from hintlite.pipeline.training.drop_regressor import in_float32

    network = in_float32(network)
    with aside(path) as place:
        network.save(place)
    summary = {
        "parameters": network.count_params(),
        "best": _best(history, chosen_by),
        "validation": validation,
    }
    write_whole(path.with_name("summary.json"), json.dumps(summary, indent=1))


def _best(history: list[Row], chosen_by: str) -> Row | None:
    """The row of the task phase's best epoch: the one whose weights were kept."""
    from hintlite.pipeline.training.train import ranked

    rows = [row for row in history if row["phase"] == "task"]
    return min(rows, key=lambda row: ranked(row, chosen_by), default=None)


def _watcher(
    bar: Bar,
    arm: str,
    at_phase_end: Callable[[str], None],
    at_epoch: Callable[[Row], None] | None,
) -> Watcher:
    from hintlite.pipeline.training.train import Watcher

    class OnBar(Watcher):
        """Moves the bar at every step and notes the figures of every epoch."""

        note = phase = ""

        def step(self, phase: str, epoch: int, epochs: int, step: int, steps: int) -> None:
            if phase != self.phase:  # the figures of the phase before it are not this one's
                self.phase, self.note = phase, ""
            bar.update(epoch - 1 + step / steps, epochs, self._at(phase, epoch, epochs))

        def epoch(self, phase: str, epoch: int, epochs: int, row: Row) -> None:
            figure = (
                f"validation accuracy {100 * row['val_accuracy']:.2f} %"
                if "val_accuracy" in row
                else f"validation loss {row['val_loss']:.4g}"
            )
            self.note = f", {figure}"
            bar.update(epoch, epochs, self._at(phase, epoch, epochs), line=True)
            if at_epoch is not None:
                at_epoch(row)

        def phase_end(self, phase: str) -> None:
            if phase != "task":  # whose end is that of the bar, which is told
                bar.line()
            at_phase_end(phase)

        def _at(self, phase: str, epoch: int, epochs: int) -> str:
            return f"{phase_title(arm, phase)}, epoch {epoch}/{epochs}{self.note}"

    return OnBar()
