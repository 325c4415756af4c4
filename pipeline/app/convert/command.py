"""`hintlite convert`: calibrate, convert, verify, bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hintlite.deploy.convert.form import Form
from hintlite.deploy.convert.forms import input_names, output_names
from hintlite.deploy.interpret.several import ends_of, real_answers
from hintlite.files import write_whole
from hintlite.pipeline.app.convert import feeding
from hintlite.pipeline.app.convert.apart import Apart, Ends
from hintlite.pipeline.app.convert.bundled import write
from hintlite.pipeline.app.convert.judge import Verdict, clipped_share, judged
from hintlite.pipeline.app.convert.options import form_of, limits_of
from hintlite.pipeline.app.convert.samples import Counts, Samples, read_samples
from hintlite.pipeline.app.convert.show import show
from hintlite.pipeline.app.convert.task import Task, task_of
from hintlite.pipeline.app.run.cache_place import disk_beside
from hintlite.pipeline.app.run.console import LOG, Terminal, logged
from hintlite.pipeline.app.run.context import StageError
from hintlite.pipeline.app.run.folder import RunFolder
from hintlite.pipeline.app.run.not_a_run import require_out

MODEL, RECORD = "model", "convert.json"
_PROBED = 32  # samples whose answers tell what is answered


def convert(options: Mapping[str, Any]) -> int:
    """Converts a model and writes the folder.

    Args:
        options: of the command, already checked.

    Raises:
        ConversionError: the model cannot be loaded or converted; the text names the layer.
        DataError: samples that it cannot be fed.
        RunError: the folder holds something else.
        StageError: it is fed the wrong range of values, or the file breaks a bound.
    """
    from hintlite.models.saved_formats import saved_format

    path = Path(options["model"])
    out = Path(options["out"] or path.with_name(f"{path.stem}_converted"))
    require_out(out, RECORD)
    kind = saved_format(path)
    folder, terminal = RunFolder(out), Terminal()
    with folder.lock(), logged(out / LOG, options["verbose"]):
        with Apart(path, kind == "keras2", options["imports"]) as model:
            record = _Work(options, terminal, model, out).done()
        write_whole(out / MODEL / RECORD, json.dumps(record, indent=1))
    show(out, record, options["json"])
    return 0


class _Work:
    """One conversion.

    Args:
        options: of the command.
        terminal: shows progress.
        model: in its process.
        out: the folder to write.
    """

    def __init__(
        self, options: Mapping[str, Any], terminal: Terminal, model: Apart, out: Path
    ) -> None:
        self.options, self.terminal, self.model, self.out = options, terminal, model, out
        self.form: Form = form_of(options)

    def done(self) -> dict[str, Any]:
        """Does it all; what the record says."""
        with self.terminal.task("loading the model"):
            inputs, left_out = self.model.open()
        options = self.options
        counts = Counts(
            options["calibration_samples"],
            options["validation_samples"],
            options["limit"],
            options["seed"],
        )
        with self.terminal.task("reading the data"):
            disk = disk_beside(self.out, options["budget_gb"])
            samples = read_samples(options["data"], inputs, counts, disk)
        with self.terminal.task("tracing the model"):
            ends = self.model.trace(samples.shapes)
        for note in (*samples.notes, *_left_out(left_out)):
            self.terminal.say(note)
        return self._converted(samples, ends, left_out)

    def _converted(self, samples: Samples, ends: Ends, left_out: tuple[str, ...]) -> dict[str, Any]:
        rows = samples.validation
        ways = [feeding.candidates(each[samples.calibration]) for each in samples.inputs]
        labels = None if samples.labels is None else samples.labels[rows]
        stated = self.options["normalization"]
        if self.options["mean"]:
            stated = feeding.GIVEN
            feeding.state(ways, samples.inputs, self.options["mean"], self.options["std"])
        kinds = [
            feeding.kind_of(stated, each, front, labels is not None, end)
            for each, front, end in zip(samples.inputs, ends.fronts, ends.inputs, strict=True)
        ]
        fed = [way[kind] for way, (kind, _) in zip(ways, kinds, strict=True)]
        asked = [f.apply(each[rows]) for f, each in zip(fed, samples.inputs, strict=True)]
        with self.terminal.task("asking the model"):
            answers = self.model.answers(asked)
        task = task_of(
            ends.outputs, labels, [each[:_PROBED] for each in answers], self.options["answer"]
        )
        self._check_feeding(samples, task, ways, kinds)
        contracts = [
            feeding.contract(end, kind, f, front, each)
            for end, (kind, _), f, front, each in zip(
                ends.inputs, kinds, fed, ends.fronts, samples.inputs, strict=True
            )
        ]
        if self.form.ends in ("int8", "uint8"):
            contracts = [feeding.snapped(each) for each in contracts]
        return self._files(samples, ends, left_out, task, contracts, answers, labels)

    def _check_feeding(
        self, samples: Samples, task: Task, ways: list[Any], kinds: list[tuple[str, str]]
    ) -> None:
        """Says how the model is fed, and refuses a range that does not fit."""
        for kind, why in kinds:
            self.terminal.say(f"fed {kind} ({feeding.WORDS[kind]}), {why}")
        if samples.labels is None or task.kind == "values" or len(ways) > 1:
            return
        rows = samples.validation
        with self.terminal.task("trying ranges of values"):
            found = feeding.tried(
                lambda values: self.model.answers([values]),
                task,
                samples.inputs[0][rows],
                samples.labels[rows],
                ways[0],
                kinds[0][0],
            )
        wrong = feeding.problem(found, str(self.options["model"]), "--normalization")
        if wrong is not None and not self.options["accept_chance"]:
            raise StageError(f"{wrong}; --accept_chance goes on all the same")

    def _files(
        self,
        samples: Samples,
        ends: Ends,
        left_out: tuple[str, ...],
        task: Task,
        contracts: list[feeding.Contract],
        answers: list[np.ndarray],
        labels: np.ndarray | None,
    ) -> dict[str, Any]:
        whole = self.form.ends in ("int8", "uint8")
        calibration = [
            each.whole.apply(
                feeding.with_full_range(raw[samples.calibration], each)
                if whole
                else raw[samples.calibration]
            )
            for each, raw in zip(contracts, samples.inputs, strict=True)
        ]
        with self.terminal.task(f"converting to {self.form.precision}"):
            files = self.model.files(calibration, self.form)
        plain, taken = (
            [
                way.apply(raw[samples.validation])
                for way, raw in zip(ways, samples.inputs, strict=True)
            ]
            for ways in ([c.exact for c in contracts], [c.whole for c in contracts])
        )
        with self.terminal.task("verifying"):
            verdict = self._judged(ends, files, (plain, taken), task, answers, labels)
        if verdict.failures:
            raise StageError(
                f"the file of {self.options['model']} is not good enough:\n  "
                + "\n  ".join(verdict.failures)
            )
        return write(
            self.out,
            self.options,
            samples,
            task,
            contracts,
            files,
            {
                "chosen": None if task.kind == "values" else task.choices(answers).tolist(),
                "outputs": [asdict(each) for each in ends.outputs],
                "left_out": list(left_out),
                "folded": [list(f.operators) if f else [] for f in ends.fronts],
                "verdict": verdict.to_dict(),
            },
        )

    def _judged(
        self,
        ends: Ends,
        files: tuple[bytes, bytes],
        fed: tuple[list[np.ndarray], list[np.ndarray]],
        task: Task,
        answers: list[np.ndarray],
        labels: np.ndarray | None,
    ) -> Verdict:
        names = input_names(ends.inputs), output_names(ends.outputs)
        plain, file = (
            real_answers(content, values, *names)
            for content, values in zip(files, fed, strict=True)
        )
        inputs, outputs = ends_of(files[1], *names)
        clipped = [clipped_share(v, spec) for v, spec in zip(fed[1], inputs, strict=True)]
        return judged(
            [each.name for each in ends.outputs],
            (answers, plain, file),
            [spec.scale for spec in outputs],
            clipped,
            task,
            labels,
            limits_of(self.options),
        )


def _left_out(layers: tuple[str, ...]) -> list[str]:
    if not layers:
        return []
    return [f"{', '.join(layers)}: for training alone; the file has no such layers"]
