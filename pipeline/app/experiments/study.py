"""`hintlite study`: methods over seeds, in parallel, each run once, compared with error bars."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.errors import HintliteError
from hintlite.files import write_whole
from hintlite.pipeline.app.run.console import Terminal

if TYPE_CHECKING:
    from hintlite.pipeline.app.experiments.queue.pool import Pool
    from hintlite.pipeline.app.experiments.studies.definition import Study
    from hintlite.pipeline.app.experiments.studies.layout import Layout
    from hintlite.pipeline.app.experiments.studies.plan import Plan
    from hintlite.pipeline.app.experiments.studies.task import Task

RUNS = Path("runs")
WORK = "hintlite.pipeline.app.experiments.studies.worker:answer"


class StudyError(HintliteError):
    """A study in which runs have failed."""


def study(options: Mapping[str, Any]) -> int:
    """Does what is left of a study, then reports; or only reports.

    Raises:
        SettingsError: the study's file says something that cannot work.
        DataError: its samples cannot be used.
        StudyError: runs have failed; the others are complete and reported.
    """
    from hintlite.pipeline.app.experiments.studies.definition import read_study
    from hintlite.pipeline.app.experiments.studies.layout import RECORDS, Layout
    from hintlite.pipeline.app.experiments.studies.plan import make_plan

    path = Path(options["study"])
    definition = read_study(path)
    folder = Path(options["folder"] or RUNS / definition.name).absolute()
    results = Path(options["results"] or folder / RECORDS).absolute()
    layout, terminal = Layout(folder, results), Terminal()
    plan = make_plan(definition, folder)
    failures: dict[str, str] = {}
    if not options["report"]:
        results.mkdir(parents=True, exist_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "study.yaml", path.read_text())
        failures = _carry_out(plan, layout, options, terminal)
    _report(definition, plan, layout, terminal)
    if failures:
        raise StudyError(
            f"{len(failures)} of the runs failed; the same command tries them again\n"
            + "\n".join(f"  {title}: {said}" for title, said in failures.items())
        )
    return 0


def _carry_out(
    plan: Plan, layout: Layout, options: Mapping[str, Any], terminal: Terminal
) -> dict[str, str]:
    """Does the runs that have no record; returns those that failed, and why."""
    from hintlite.pipeline.app.experiments.queue.carry_out import do_all
    from hintlite.pipeline.app.experiments.studies.records import TEACHER, read_records
    from hintlite.pipeline.app.experiments.studies.schedule import schedule

    read_records(layout.results)  # a damaged one is told of before hours of work
    left = schedule(plan, layout, options["keep"], terminal.say)
    teachers = sum(task.kind == TEACHER for task in left.tasks)
    terminal.say(
        f"{len(plan.runs)} runs: {left.complete} finished before, {len(left.tasks) - teachers} to "
        f"do, and {teachers} teacher(s) to train; in {layout.folder}"
    )
    if not left.tasks:
        return {}
    do_all(left, _pool(options), terminal, "runs", len(plan.runs))
    return left.failures


def _pool(options: Mapping[str, Any]) -> Pool[Task]:
    from hintlite.pipeline.app.experiments.queue.cluster import Cluster
    from hintlite.pipeline.app.experiments.queue.processes import Processes

    if options["ray"] is not None:
        return Cluster(options["ray"], options["jobs"], WORK)
    return Processes(options["jobs"] or 1, WORK)


def _report(definition: Study, plan: Plan, layout: Layout, terminal: Terminal) -> None:
    from hintlite.pipeline.app.experiments.studies.summary import summary
    from hintlite.pipeline.report.study.write import write_study

    facts = summary(definition, plan, layout.results)
    write_study(facts, layout.folder)
    for line in facts["findings"]:
        terminal.out.print(line, markup=False)
    terminal.out.print(f"report: {layout.folder / 'report.html'}", markup=False)
