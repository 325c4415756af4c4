"""What a reader of a study should know before believing it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.app.stages.quantize import FLOAT, INT8
from pipeline.app.studies.plan import Plan
from pipeline.app.studies.records import Records
from pipeline.app.studies.statistics import LEAST


def doubts(plan: Plan, records: Records, runs: Sequence[dict[str, Any]]) -> list[str]:
    """Sentences about what weakens the comparison; none if nothing does.

    Args:
        plan: the study's runs.
        records: what is there of it.
        runs: its finished runs, as the report shows them.
    """
    used = [records.students[run["id"]] for run in runs]
    found = [
        *_few(plan),
        *_unshared(plan),
        *_teachers(used),
        *_several("the test samples", (r["test_sha256"] for r in used)),
        *_several("the commit of hintlite", (str(r["commit"]) for r in used)),
        *_libraries(used),
        *_several("the machine", (r["machine"]["processor"] for r in used)),
        *_several("the number of threads", (str(r["machine"].get("threads")) for r in used)),
        *_bounds(plan, records),
    ]
    if any(str(r["commit"]).endswith("+changes") for r in used):
        found.append("Some runs were made from a source tree with uncommitted changes.")
    return found


def _few(plan: Plan) -> list[str]:
    few = [
        arm
        for arm in dict.fromkeys(run.arm for run in plan.runs)
        if sum(run.arm == arm for run in plan.runs) < LEAST
    ]
    lines = []
    if few:
        lines.append(f"Fewer than {LEAST} seeds, so no interval and no test: {', '.join(few)}.")
    if len({run.teacher_seed for run in plan.runs}) > 1:
        lines.append(
            "The runs of one teacher are not independent of each other: differences are averaged "
            "for each teacher and tested over the teachers; the intervals of the arms themselves "
            "are rather too narrow."
        )
    return lines


def _unshared(plan: Plan) -> list[str]:
    """Arms whose settings ask for another teacher than those of the others."""
    arms: dict[tuple[str, ...], list[str]] = {}
    for arm in dict.fromkeys(run.arm for run in plan.runs):
        keys = tuple(dict.fromkeys(run.teacher for run in plan.runs if run.arm == arm))
        arms.setdefault(keys, []).append(arm)
    if len(arms) < 2:
        return []
    groups = "; ".join(f"{', '.join(names)} (teacher {keys[0]})" for keys, names in arms.items())
    return [
        f"By their settings the arms do not share their teachers: {groups}. A difference between "
        "these groups may be one between the teachers."
    ]


def _teachers(used: Sequence[dict[str, Any]]) -> list[str]:
    """Arms that should have had one teacher, and had several."""
    weights: dict[str, dict[str, list[str]]] = {}
    for record in used:
        teacher = record["teacher"]
        by_weights = weights.setdefault(teacher["key"], {})
        students = by_weights.setdefault(teacher["weights_sha256"], [])
        students.append(f"{record['arm']} seed {record['seed']}")
    return [
        f"Teacher {key} was trained {len(by_weights)} times, on machines that did not get the same "
        "weights: "
        + "; ".join(f"{each[:8]} taught {', '.join(who)}" for each, who in by_weights.items())
        + ". A difference between these runs may be one between the teachers."
        for key, by_weights in weights.items()
        if len(by_weights) > 1
    ]


def _libraries(used: Sequence[dict[str, Any]]) -> list[str]:
    names = sorted({name for record in used for name in record["versions"]})
    return [
        line
        for name in names
        for line in _several(name, (str(r["versions"].get(name)) for r in used))
    ]


def _several(what: str, values: Iterable[str]) -> list[str]:
    found = sorted(set(values))
    return [f"Not the same in all runs: {what} ({', '.join(found)})."] if len(found) > 1 else []


def _bounds(plan: Plan, records: Records) -> list[str]:
    """Runs whose INT8 file `hintlite run` would refuse; a study shows them."""
    refused = []
    for run in plan.runs:
        record = records.students.get(run.id)
        if record is None:
            continue
        figures = record["validation"]
        drop = 100 * (figures[FLOAT] - figures[INT8])
        if figures["agreement"] < run.bounds.min_agreement or drop > run.bounds.max_accuracy_drop:
            refused.append(
                f"{run.arm} seed {run.seed} (agreement {figures['agreement']:.2%}, "
                f"{drop:+.2f} points lost)"
            )
    if not refused:
        return []
    return [
        "INT8 files that `hintlite run` would refuse by quantize.min_agreement or "
        f"quantize.max_accuracy_drop: {'; '.join(refused)}."
    ]
