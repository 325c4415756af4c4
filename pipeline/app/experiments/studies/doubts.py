"""What a reader of a study should know before believing it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hintlite.pipeline.app.experiments.studies.plan import Plan
from hintlite.pipeline.app.experiments.studies.records import Records
from hintlite.pipeline.app.experiments.studies.statistics import LEAST, least_difference
from hintlite.pipeline.app.run.stages.post_training import quantized
from hintlite.pipeline.runs.layout import FLOAT, INT8

# Parts of an arm that train in a phase before the task, or as long: -> the settings of that phase.
PHASED = {
    **dict.fromkeys(("hint", "random_hint", "hint_labels", "output_only"), "hint"),
    "fsp": "fsp",
}


def doubts(
    plan: Plan,
    records: Records,
    runs: Sequence[dict[str, Any]],
    compared: Sequence[dict[str, Any]] = (),
) -> list[str]:
    """Sentences about what weakens the comparison; none if nothing does.

    Args:
        plan: the study's runs.
        records: what is there of it.
        runs: its finished runs, as the report shows them.
        compared: the comparisons of one precision, which are corrected for their number.
    """
    used = [records.students[run["id"]] for run in runs]
    taught = records.teachers_of(plan.teachers)
    found = [
        *_few(plan),
        *_passes(plan),
        *_power(compared),
        *_unshared(plan),
        *_teachers(runs, used),
        *_calibration(plan, records),
        *_several("the test samples", (r["test_sha256"] for r in [*used, *taught])),
        *_several("the commit of hintlite", (str(r["commit"]) for r in used)),
        *_libraries(used),
        *_several("the machine", (r["machine"]["processor"] for r in used)),
        *_several("the number of threads", (str(r["machine"].get("threads")) for r in used)),
        *_unquantized(runs),
        *_bounds(plan, records),
        *_other_precisions(plan),
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
    teachers = len({run.teacher_seed for run in plan.runs})
    if 1 < teachers < LEAST:
        lines.append(
            f"{teachers} teachers, so no difference is tested: name one in teacher_seeds, over "
            f"whose students the seeds repeat, or {LEAST} and more."
        )
    if teachers > 1:
        lines.append(
            "The runs of one teacher are not independent of each other: differences are averaged "
            "for each teacher and tested over the teachers; the intervals of the arms themselves "
            "are rather too narrow."
        )
    return lines


def _passes(plan: Plan) -> list[str]:
    """Whether the control without hints trains as long as the arms that it is a control of."""
    epochs: dict[str, set[int]] = {}
    controls = set()
    for run in plan.runs:
        parts = run.config.arms[0].split("+")
        phases = {PHASED[part] for part in parts if part in PHASED}
        if phases:
            before = sum(getattr(run.config, phase).epochs for phase in phases)
            epochs.setdefault(run.arm, set()).add(run.config.training.epochs + before)
        if "output_only" in parts:
            controls.add(run.arm)
    longest = {arm: max(counts) for arm, counts in epochs.items()}
    if not controls or len(set(longest.values())) == 1:
        return []
    each = ", ".join(f"{arm} {count}" for arm, count in longest.items())
    return [
        f"Not the same number of training epochs: {each}. A difference between {min(controls)} "
        "and an arm with hints may be one of training time."
    ]


def _power(compared: Sequence[dict[str, Any]]) -> list[str]:
    """How large a difference must be before so few pairs can tell it."""
    tested = [row for row in compared if row["p"] is not None]
    if not tested:
        return []
    family = tested[0]["family"]
    needed = {n: least_difference(n, family) for n in sorted({row["n"] for row in tested})}
    told = [f"{needed[n]:.1f} with {n} pairs" for n in needed if needed[n] > 1]
    if not told:
        return []
    return [
        f"p is corrected for {family} comparisons. To be significant, the clearest difference must "
        f"be at least so many standard deviations of its pairs: {', '.join(told)}. Smaller ones "
        "may exist and need more seeds."
    ]


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


def _calibration(plan: Plan, records: Records) -> list[str]:
    """Teachers whose INT8 figures are those of another calibration than the study's settings."""
    lines = []
    for record in records.teachers_of(plan.teachers):
        had = record["settings"].get("data", {}).get("calibration_samples")
        asked = plan.teachers[record["key"]].data.calibration_samples
        if had not in (None, asked):
            lines.append(
                f"Teacher {record['key']} was calibrated on {had} samples, and the settings say "
                f"{asked}: its INT8 figures are those of {had}."
            )
    return lines


def _teachers(runs: Sequence[dict[str, Any]], used: Sequence[dict[str, Any]]) -> list[str]:
    """Arms that should have had one teacher, and had several."""
    weights: dict[str, dict[str, list[str]]] = {}
    for run, record in zip(runs, used, strict=True):
        teacher = record["teacher"]
        by_weights = weights.setdefault(teacher["key"], {})
        students = by_weights.setdefault(teacher["weights_sha256"], [])
        students.append(f"{run['arm']} seed {run['seed']}")
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


def _unquantized(runs: Sequence[dict[str, Any]]) -> list[str]:
    """Runs with a layer that died, and so without an INT8 file."""
    dead = [f"{run['arm']} seed {run['seed']}" for run in runs if run.get("unquantized")]
    if not dead:
        return []
    return [
        "No INT8 file, since a layer gives 0 for every sample: "
        f"{', '.join(dead)}. These runs count in the float figures of their arms alone."
    ]


def _bounds(plan: Plan, records: Records) -> list[str]:
    """Runs whose INT8 file `hintlite run` would refuse; a study shows them."""
    refused = []
    for run in plan.runs:
        record = records.students.get(run.id)
        if record is None or record.get("unquantized"):
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


def _other_precisions(plan: Plan) -> list[str]:
    """Arms whose deployed file is not INT8, though it stands in that column."""
    others = {
        run.arm: precision
        for run in plan.runs
        if (precision := quantized(run.config.quantize, run.arm)) != INT8
    }
    if not others:
        return []
    named = ", ".join(f"{arm} ({precision})" for arm, precision in others.items())
    return [f"Under INT8 stands a file of another precision for: {named}."]
