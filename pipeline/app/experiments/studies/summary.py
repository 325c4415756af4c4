"""From a study's records to what its report says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hintlite.pipeline.app.experiments.studies.compare import (
    Planned,
    comparisons,
    costs,
    finding,
    undecided,
)
from hintlite.pipeline.app.experiments.studies.definition import Study
from hintlite.pipeline.app.experiments.studies.doubts import doubts
from hintlite.pipeline.app.experiments.studies.plan import Plan
from hintlite.pipeline.app.experiments.studies.records import Records, read_records
from hintlite.pipeline.app.experiments.studies.statistics import summary as summarised
from hintlite.pipeline.report.study.words import SIGNIFICANT
from hintlite.pipeline.report.tuning.score import TITLES as TITLES_OF_SCORES
from hintlite.pipeline.runs.layout import FLOAT, INT8

SCHEMA = "hintlite-study/1"
PRECISIONS = (FLOAT, INT8)
TITLES = {FLOAT: "float32", INT8: "INT8"}
CHOSEN = ("chosen_by", "worth")  # of a record, where accuracy does not choose
Run = dict[str, Any]


def summary(study: Study, plan: Plan, results: Path) -> dict[str, Any]:
    """Everything that the report says of a study, finished or not.

    Args:
        study: what it compares.
        plan: its runs.
        results: where the records are.

    Returns:
        Plain data for JSON. Accuracies and differences are shares of the test samples.

    Raises:
        RecordError: a record is damaged.
    """
    records = read_records(results)
    students = records.students
    runs = [_run(run.arm, students[run.id]) for run in plan.runs if run.id in students]
    missing = [run for run in plan.runs if run.id not in students]
    planned = _planned(study, plan)
    against = {
        precision: comparisons(
            {arm: _values(runs, arm, precision) for arm in planned}, study.compare_with, planned
        )
        for precision in PRECISIONS
    }
    arms = [_arm(arm.name, arm.method, runs, plan) for arm in study.arms]
    teachers = _teachers(plan, records, runs)
    return {
        "schema": SCHEMA,
        "study": study.name,
        "compare_with": list(study.compare_with),
        "arms": arms,
        "teachers": teachers,
        "comparisons": against,
        "drops": _drops(runs, planned, study.compare_with),
        "runs": runs,
        "missing": [f"{run.arm}, seed {run.seed}, teacher {run.teacher_seed}" for run in missing],
        "doubts": doubts(plan, records, runs, against[INT8]),
        "findings": [*_headline(arms, teachers), *findings(against, runs, len(plan.runs))],
    }


def findings(
    against: dict[str, list[dict[str, Any]]], runs: Sequence[Run], planned: int
) -> list[str]:
    """What may be concluded, in sentences: every significant difference, and how many are not."""
    lines = []
    if len(runs) < planned:
        change = ", and verdicts may change with the others" if any(against.values()) else ""
        lines.append(f"unfinished: {len(runs)} of {planned} runs are there{change}")
    for precision in reversed(PRECISIONS):
        rows = against[precision]
        lines += [finding(row, TITLES[precision]) for row in rows if row["verdict"] == SIGNIFICANT]
        lines += [f"{TITLES[precision]}: {line}" for line in undecided(rows)]
    return lines


def _headline(arms: Sequence[Run], teachers: Sequence[Run]) -> list[str]:
    """The arm that validation data chooses, beside the float teachers."""
    present = [arm for arm in arms if arm["n"] and arm["validation"]]
    if not present or not teachers:
        return []
    by, figure = _chosen_by(present)
    best = max(present, key=lambda arm: float(arm[figure]["mean"]))
    levels = [teacher[FLOAT]["accuracy"] for teacher in teachers if teacher[FLOAT]]
    beside = f"; the float teacher has {100 * sum(levels) / len(levels):.2f} %" if levels else ""
    found = best[INT8]
    doubt = "1 run" if found["n"] == 1 else f"mean of {found['n']} runs"
    if found["low"] is not None:
        doubt += f", 95 % interval {100 * found['low']:.2f} to {100 * found['high']:.2f}"
    return [
        f"INT8: validation data chooses {best['name']}{by}, with {100 * found['mean']:.2f} % on "
        f"test data ({doubt}){beside}"
    ]


def _chosen_by(arms: Sequence[Run]) -> tuple[str, str]:
    """By what the arms are compared, in words where it is not accuracy, and the arms' figure."""
    first = arms[0].get("chosen_by")
    if first is None or any(arm.get("chosen_by") != first for arm in arms):
        return "", "validation"
    return f" by {TITLES_OF_SCORES[first]}", "worth"


def _run(arm: str, record: dict[str, Any]) -> Run:
    """What the report needs of a record."""
    return {
        "id": record["id"],
        "arm": arm,
        "seed": record["seed"],
        "teacher_seed": record["teacher_seed"],
        "teacher": record["teacher"]["weights_sha256"][:8],
        **{precision: _tested(record, precision) for precision in PRECISIONS},
        "unquantized": record.get("unquantized"),
        "validation": record["validation"],
        "agreement": record["validation"]["agreement"],
        **{name: record["validation"][name] for name in CHOSEN if name in record["validation"]},
        "wall_s": round(sum(record["wall_s"].values()), 1),
        "training_s": record["wall_s"]["distill"],
        "cpu_s": round(sum(record["cpu_s"].values()), 1),
        "parameters": record["parameters"],
        "macs": record["macs"],
        "bytes": record["bytes"],
        "machine": record["machine"]["processor"],
        "commit": record["commit"],
        "finished_utc": record["finished_utc"],
    }


def _tested(record: dict[str, Any], precision: str) -> float | None:
    figures = record["test"][precision]
    return None if figures is None else figures["accuracy"]


def _planned(study: Study, plan: Plan) -> Planned:
    """The repetitions of each arm when the study is done."""
    return {
        arm.name: [(run.teacher_seed, run.seed) for run in plan.runs if run.arm == arm.name]
        for arm in study.arms
    }


def _values(runs: Sequence[Run], arm: str, precision: str) -> dict[tuple[int, int], float]:
    return {
        (run["teacher_seed"], run["seed"]): run[precision]
        for run in runs
        if run["arm"] == arm and run[precision] is not None
    }


def _arm(name: str, method: str, runs: Sequence[Run], plan: Plan) -> dict[str, Any]:
    """One line of the table: the arm's mean accuracies and what it costs."""
    own = [run for run in runs if run["arm"] == name]
    facts: dict[str, Any] = {
        "name": name,
        "method": method,
        "n": len(own),
        "planned": sum(run.arm == name for run in plan.runs),
    }
    if not own:
        return facts
    facts |= {precision: _summarised(run[precision] for run in own) for precision in PRECISIONS}
    facts["validation"] = _summarised(run["validation"][INT8] for run in own)
    if all("worth" in run for run in own):
        facts |= {"chosen_by": own[0]["chosen_by"], "worth": _summarised(r["worth"] for r in own)}
    for field in ("wall_s", "training_s", "cpu_s"):
        facts[field] = sum(run[field] for run in own) / len(own)
    shown = next((run for run in own if run["unquantized"] is None), own[0])
    return facts | {field: shown[field] for field in ("parameters", "macs", "bytes")}


def _summarised(values: Iterable[float | None]) -> dict[str, Any] | None:
    """Of the values that there are; None if there is none."""
    known = [value for value in values if value is not None]
    return asdict(summarised(known)) if known else None


def _teachers(plan: Plan, records: Records, runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The teachers of the study, each with how many of its students are there."""
    return [
        {
            "key": record["key"],
            "seed": record["settings"]["teacher_seed"],
            "weights": record["weights_sha256"][:8],
            **{precision: record["test"][precision] for precision in PRECISIONS},
            "validation": record["validation"],
            "parameters": record["parameters"],
            "macs": record["macs"],
            "bytes": record["bytes"],
            "wall_s": round(sum(record["wall_s"].values()), 1),
            "students": sum(run["teacher"] == record["weights_sha256"][:8] for run in runs),
        }
        for record in records.teachers_of(plan.teachers)
    ]


def _drops(runs: Sequence[Run], planned: Planned, references: Sequence[str]) -> dict[str, Any]:
    """What INT8 costs each arm, and whether it costs more than it costs the first reference."""
    lost = {
        arm: {
            key: value - _values(runs, arm, FLOAT)[key]
            for key, value in _values(runs, arm, INT8).items()
        }
        for arm in planned
    }
    return {
        "arms": costs(lost, planned),
        "comparisons": comparisons(lost, references[:1], planned),
    }
