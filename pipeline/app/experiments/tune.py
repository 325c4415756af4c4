"""`hintlite tune`: the settings of one method, searched on validation data alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.errors import HintliteError
from hintlite.files import write_whole
from hintlite.pipeline.app.run.console import Terminal

if TYPE_CHECKING:
    from hintlite.pipeline.app.experiments.tuning.definition import Tuning
    from hintlite.pipeline.app.experiments.tuning.layout import Layout
    from hintlite.pipeline.app.experiments.tuning.trials import Trials

RUNS = Path("runs")
WORK = "hintlite.pipeline.app.experiments.tuning.worker:answer"


class TuneError(HintliteError):
    """A tuning in which no trial has come to an end."""


def tune(options: Mapping[str, Any]) -> int:
    """Does what is left of a tuning, then reports; or only reports.

    Raises:
        SettingsError: the tuning's file says something that cannot work.
        DataError: its samples cannot be used.
        TeacherError: the teacher cannot be trained.
        TuneError: no trial is complete though all were tried.
    """
    from hintlite.pipeline.app.experiments.tuning.definition import read_tuning
    from hintlite.pipeline.app.experiments.tuning.layout import Layout
    from hintlite.pipeline.app.experiments.tuning.storage import library
    from hintlite.pipeline.app.experiments.tuning.trials import Trials, require_database

    library()  # missing, it is told of at once
    path = Path(options["tune"])
    tuning = read_tuning(path)
    layout = Layout(Path(options["folder"] or RUNS / tuning.name).absolute())
    terminal = Terminal()
    if options["report"]:
        require_database(layout)
        trials = Trials(tuning, layout, terminal.say)
        trials.begin(*_identity(tuning, layout, terminal))
        return _report(tuning, layout, trials, terminal)
    identity, samples = _identity(tuning, layout, terminal)
    layout.folder.mkdir(parents=True, exist_ok=True)
    trials = Trials(tuning, layout, terminal.say)
    trials.begin(identity, samples)
    write_whole(layout.folder / "tune.yaml", path.read_text())
    _carry_out(trials, options["jobs"], terminal)
    return _report(tuning, layout, trials, terminal)


def _identity(tuning: Tuning, layout: Layout, terminal: Terminal) -> tuple[dict[str, Any], int]:
    """All that decides a trial's value, and how many samples it is measured on."""
    from dataclasses import asdict

    from hintlite.pipeline.app.experiments.studies.plan import student_identity
    from hintlite.pipeline.app.run.cache_place import disk
    from hintlite.pipeline.app.run.context import Context
    from hintlite.pipeline.app.run.folder import RunFolder
    from hintlite.pipeline.app.run.samples import RunSamples
    from hintlite.pipeline.data.load import load_training

    config = tuning.config({})
    folder, kept = RunFolder(Path()), disk(config, layout.folder / "run")
    data = load_training(config.data, disk=kept)
    samples = RunSamples(config.data, folder, loaded=data)
    context = Context(config, folder, terminal, samples, models=config.arms)
    identity = {
        "arm": tuning.arm,
        "objective": _objective(tuning),
        "seeds": list(tuning.seeds),
        "search": {name: asdict(space) for name, space in tuning.search.items()},
        "base, samples or hintlite itself": student_identity(context),
    }
    return identity, len(data.validation)


def _objective(tuning: Tuning) -> str:
    by_accuracy = tuning.chosen_by == "accuracy"  # the only figure that older trials knew
    return tuning.objective if by_accuracy else f"{tuning.objective} {tuning.chosen_by}"


def _carry_out(trials: Trials, jobs: int, terminal: Terminal) -> None:
    from hintlite.pipeline.app.experiments.queue.carry_out import do_all
    from hintlite.pipeline.app.experiments.queue.processes import Processes
    from hintlite.pipeline.app.experiments.tuning.jobs import Clock, TrialJobs
    from hintlite.pipeline.app.experiments.tuning.task import TrialTask

    trials.settle()
    total, finished = trials.tuning.trials, trials.finished()
    terminal.say(f"{total} trials: {finished} finished before; in {trials.layout.folder}")
    if finished >= total:
        return
    left = TrialJobs(trials, Clock(trials.tuning.timeout_minutes))
    do_all(left, Processes[TrialTask](jobs, WORK), terminal, "trials", total)


def _report(tuning: Tuning, layout: Layout, trials: Trials, terminal: Terminal) -> int:
    from hintlite.pipeline.app.experiments.tuning.summary import best_settings, summary
    from hintlite.pipeline.report.tuning.write import write_tuning

    facts = summary(tuning, trials.study)
    write_tuning(facts, layout.folder)
    for line in facts["findings"]:
        terminal.out.print(line, markup=False)
    terminal.out.print(f"report: {layout.folder / 'report.html'}", markup=False)
    if facts["best"] is not None:
        write_whole(layout.folder / "best.yaml", best_settings(tuning, facts))
        terminal.out.print(
            f"best settings: {layout.folder / 'best.yaml'}, for `hintlite run --config` and as the "
            "base of a study",
            markup=False,
        )
    elif facts["counts"]["failed"] >= tuning.trials:
        raise TuneError(
            f"none of the {tuning.trials} trials came to an end: {facts['trials'][-1]['said']}"
        )
    return 0
