"""A whole fine-tuning: the training, its control, the acceptance and the files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.files import aside
from hintlite.pipeline.app.run.console import Terminal
from hintlite.pipeline.app.run.context import StageError
from hintlite.pipeline.app.run.qat.acceptance import Before, acceptance_report
from hintlite.pipeline.app.run.qat.job import Tuned, fine_tune_job
from hintlite.pipeline.runs.layout import FLOAT_CONTROL, INT8, INT8_PTQ
from hintlite.pipeline.settings.quantize import QATConfig, QuantizeConfig

if TYPE_CHECKING:
    from hintlite.pipeline.data.training_data import TrainingData
    from hintlite.pipeline.qat.job import Job


@dataclass(frozen=True, eq=False)
class Task:
    """What is fine-tuned, and what is asked of it.

    Attributes:
        before: the network, and what calibration makes of it.
        data: what it is trained and measured on.
        job: the settings, quantized.
        bounds: of the INT8 file.
        config: of the fine-tuning, with its own bounds.
        name: the network's in a refusal, as 'hint+kd' or mine.keras.
        cure: what a refusal tells to change.
        suffix: behind the titles of the progress.
    """

    before: Before
    data: TrainingData
    job: Job
    bounds: QuantizeConfig
    config: QATConfig
    name: str
    cure: str
    suffix: str = ""


@dataclass(frozen=True, eq=False)
class Kept:
    """A fine-tuning that keeps to its bounds.

    Attributes:
        files: precision -> .tflite: those of before, INT8 now fine-tuned.
        tuned: the fine-tuned network.
        report: what `acceptance_report` returned.
    """

    files: dict[str, bytes]
    tuned: Tuned
    report: dict[str, Any]

    def write(self, folder: Path, name: Callable[[str], str], network: str) -> None:
        """Writes the .tflite files and the network; the record is the caller's.

        Args:
            folder: the stage's.
            name: precision -> file name.
            network: file name.
        """
        for precision, content in self.files.items():
            (folder / name(precision)).write_bytes(content)
        with aside(folder / network) as place:
            self.tuned.network().save(place)


def fine_tune(terminal: Terminal, shared: Path, task: Task) -> Kept:
    """Fine-tunes, trains the control if it is wanted, and checks the file; keeps what is done.

    Args:
        terminal: shows progress.
        shared: the folder that the jobs share (hintlite.pipeline.qat.job), already filled.
        task: what is fine-tuned.

    Raises:
        StageError: the outcome breaks a bound.
        CarryError, QatError: see hintlite.pipeline.app.run.qat.job.fine_tune_job.
    """
    job, suffix = task.job, task.suffix
    tuned = fine_tune_job(terminal, shared, "qat", job, f"INT8 in the loop{suffix}")
    control = None
    if task.config.control:
        plain = replace(job, quantized=False)
        control = fine_tune_job(terminal, shared, "control", plain, f"float, trained on{suffix}")
    report = acceptance_report(task.data, task.before, tuned, control, task.bounds, task.config)
    if report["failures"]:
        raise StageError(
            f"the INT8 file of {task.name} is not good enough after fine-tuning:\n  "
            + "\n  ".join(report["failures"])
            + f"\nchange {task.cure}"
        )
    return Kept(_files(task.before.files, tuned, control), tuned, report)


def _files(before: dict[str, bytes], tuned: Tuned, control: Tuned | None) -> dict[str, bytes]:
    others = {precision: content for precision, content in before.items() if precision != INT8}
    files = {**others, INT8_PTQ: before[INT8], INT8: tuned.content}
    return files if control is None else {**files, FLOAT_CONTROL: control.content}
