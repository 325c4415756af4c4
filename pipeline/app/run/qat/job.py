"""Fine-tuning in the quantizer's process: what the quantize stage and `hintlite qat` share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.pipeline.app.run.console import Bar, Terminal
from hintlite.pipeline.qat.job import MODEL, RESULT, TUNED, Job, Outcome, read_outcome, write_job
from hintlite.pipeline.settings.quantize import QATConfig

if TYPE_CHECKING:
    import keras

PROCESS = "hintlite.pipeline.app.run.qat.process:answer"


@dataclass(frozen=True)
class Tuned:
    """A finished fine-tuning.

    Attributes:
        content: bytes of the .tflite file of the best epoch.
        folder: the job's.
        outcome: the figures.
    """

    content: bytes
    folder: Path
    outcome: Outcome

    def network(self) -> keras.Model:
        """The network of the best epoch under Keras 3, with its weights in float."""
        from hintlite.pipeline.qat.blueprint import load
        from hintlite.pipeline.qat.prepare import restore

        return restore(load(self.folder / TUNED))


def fine_tune_job(terminal: Terminal, shared: Path, name: str, job: Job, title: str) -> Tuned:
    """Does a job, or takes its outcome where an earlier try has ended it.

    Args:
        terminal: shows progress.
        shared: the folder that jobs on one network share (pipeline/qat/job.py), already filled.
        name: of the job's folder in it.
        job: the settings.
        title: of the progress.

    Raises:
        CarryError: the network is refused.
        QatError: the process failed.
    """
    from hintlite.pipeline.qat.launch import launch

    folder = shared / name
    with terminal.task(title) as bar:
        if (folder / RESULT).exists():
            outcome = read_outcome(folder)
        else:
            folder.mkdir(exist_ok=True)
            write_job(job, folder)
            outcome = launch(PROCESS, folder, _listener(bar, job))
        bar.note = _summary(job, outcome)
    return Tuned((folder / MODEL).read_bytes(), folder, outcome)


def conversion_failures(outcome: Outcome, config: QATConfig) -> list[str]:
    """One sentence for each bound that the converted file breaks.

    Args:
        outcome: of a quantized job.
        config: the bounds.
    """
    failures = []
    if not outcome.max_difference_steps <= config.max_difference_steps:
        failures.append(
            f"An output of the converted file lies {outcome.max_difference_steps:.1f} steps from "
            f"the fake-quantized network's, expected at most {config.max_difference_steps:g}: a "
            "layer is not converted as it was trained. Raise qat.max_difference_steps if the "
            "accuracy of the file is good enough."
        )
    if not outcome.agreement >= config.min_conversion_agreement:
        failures.append(
            f"The converted file chooses as the fake-quantized network does on "
            f"{outcome.agreement:.2%} of the samples, expected at least "
            f"{config.min_conversion_agreement:.2%}: a layer is not converted as it was trained. "
            "Lower qat.min_conversion_agreement if the accuracy of the file is good enough."
        )
    return failures


def facts(outcome: Outcome) -> dict[str, Any]:
    """What a record says of a fine-tuning."""
    return {
        "best_epoch": outcome.best_epoch,
        "agreement": outcome.agreement,
        "max_difference_steps": outcome.max_difference_steps,
        "rebuilt_difference": outcome.rebuilt_difference,
        "history": outcome.history,
    }


def _listener(bar: Bar, job: Job) -> Callable[[dict[str, Any]], None]:
    found = ""

    def listen(report: dict[str, Any]) -> None:
        nonlocal found
        if report["what"] == "carried":
            bar.update(0, job.epochs, f"carried over, outputs differ by {report['difference']:.1g}")
        elif report["what"] == "step":
            epoch = report["epoch"]
            note = f"epoch {epoch + 1}/{job.epochs}{found}, loss {report['loss']:.3f}"
            bar.update(epoch + report["done"] / report["steps"], job.epochs, note)
        elif report["what"] == "epoch":
            what = "INT8" if job.quantized else "float"
            found = f", {what} validation accuracy {100 * report['accuracy']:.2f} %"
            epoch = report["epoch"]
            bar.update(epoch, job.epochs, f"epoch {epoch}/{job.epochs}{found}", line=True)

    return listen


def _summary(job: Job, outcome: Outcome) -> str:
    text = f"{100 * outcome.accuracy:.2f} % on the validation part, epoch {outcome.best_epoch}"
    if not job.quantized:
        return text
    return (
        f"INT8 {text}; file and fake-quantized network choose alike on {outcome.agreement:.2%}, "
        f"at most {outcome.max_difference_steps:.1f} steps apart"
    )
