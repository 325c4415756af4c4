"""From the trials in the storage to what the report says, and to the best settings as YAML."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hintlite.pipeline.app.experiments.tuning import storage
from hintlite.pipeline.app.experiments.tuning.definition import Tuning
from hintlite.pipeline.app.experiments.tuning.search import Choices, Space
from hintlite.pipeline.app.experiments.tuning.trials import AGAIN, FACTS, SAID, SAME, best_of
from hintlite.pipeline.app.settings.text import settings_text
from hintlite.pipeline.report.tuning.score import TITLES, gained, shown

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

SCHEMA = "hintlite-tuning/1"
COMPLETE, PRUNED, FAILED, RETRIED = "complete", "pruned", "failed", "tried again"
STATES = {"COMPLETE": COMPLETE, "PRUNED": PRUNED, "FAIL": FAILED, "RUNNING": "running"}
LEAST = 4  # complete trials with different values, below which nothing is said of importance
SEED = 0
Facts = dict[str, Any]


def summary(tuning: Tuning, study: optuna.Study) -> Facts:
    """Everything that the report says of a tuning, finished or not.

    Returns:
        Plain data for JSON. Scores are larger where a trial is better: a loss has its sign changed.
    """
    trials = [_trial(trial, tuning) for trial in study.trials if trial.state.name in STATES]
    best = best_of(study.trials)
    samples = int(study.user_attrs["validation_samples"])
    chosen = next((t for t in trials if best is not None and t["number"] == best.number), None)
    facts: Facts = {
        "schema": SCHEMA,
        "tuning": tuning.name,
        "arm": tuning.arm,
        "objective": tuning.objective,
        "chosen_by": tuning.chosen_by,
        "seeds": list(tuning.seeds),
        "validation_samples": samples,
        "planned": tuning.trials,
        "search": {name: _space(space) for name, space in tuning.search.items()},
        "base": tuning.base_values(),
        "counts": {
            state: sum(t["state"] == state for t in trials) for state in (*STATES.values(), RETRIED)
        },
        "best": chosen,
        "importance": importance(study, tuning),
        "trials": trials,
    }
    return facts | {"findings": findings(facts), "doubts": doubts(trials)}


def importance(study: optuna.Study, tuning: Tuning) -> dict[str, float] | None:
    """Each setting's share of the variance of the values (fANOVA, Hutter et al. 2014).

    It looks at complete trials alone. None where fewer than LEAST, or no two values, differ.
    """
    optuna = storage.library()
    complete = [t for t in study.trials if t.state.name == "COMPLETE" and SAME not in t.user_attrs]
    if len(complete) < LEAST or len({trial.values[0] for trial in complete}) < 2:
        return None
    found = optuna.importance.get_param_importances(
        study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=SEED)
    )
    shares = {name: float(found.get(name, 0.0)) for name in tuning.search}
    if not all(math.isfinite(share) for share in shares.values()):
        return None
    return dict(sorted(shares.items(), key=lambda entry: -entry[1]))


def findings(facts: Mapping[str, Any]) -> list[str]:
    """What was found, in sentences, with how little it may mean."""
    counts, best = facts["counts"], facts["best"]
    done = sum(counts[state] for state in (COMPLETE, PRUNED, FAILED))
    lines = [
        f"{done} of {facts['planned']} trials: {counts[COMPLETE]} complete, {counts[PRUNED]} given "
        f"up early, {counts[FAILED]} failed"
    ]
    if best is None:
        return lines
    found = shown(best["value"], facts["chosen_by"])
    lines.append(f"best: trial {best['number']} with {found}{_gain(facts)}")
    if facts["chosen_by"] != "accuracy":  # of no other figure the samples alone tell the error
        return lines
    error = standard_error(best["value"], facts["validation_samples"])
    near = [
        trial
        for trial in facts["trials"]
        if trial["state"] == COMPLETE
        and trial["same_as"] is None
        and trial["number"] != best["number"]
        and trial["value"] >= best["value"] - error
    ]
    lines.append(
        f"{len(near)} other trial(s) lie within the best one's standard error of "
        f"{100 * error:.2f} points, which {facts['validation_samples']} validation samples give"
    )
    return lines


def standard_error(share: float, samples: int) -> float:
    """Of a share of right answers, with two right and two wrong ones added: it is above 0 at 100 %.

    Agresti & Coull 1998 (Approximate is better than "exact").
    """
    larger = samples + 4
    middle = (share * samples + 2) / larger
    return math.sqrt(middle * (1 - middle) / larger)


def doubts(trials: Sequence[Facts]) -> list[str]:
    """What makes trials hard to compare."""
    lines = []
    for what in ("commit", "versions"):
        found = {str(trial[what]) for trial in trials if trial[what] is not None}
        if len(found) > 1:
            lines.append(f"trials differ in their {what}: {'; '.join(sorted(found))}")
    return lines


def best_settings(tuning: Tuning, facts: Mapping[str, Any]) -> str:
    """The best trial's settings as YAML, whole, for a run and as the base of a study."""
    best = facts["best"]
    config, by = tuning.config(best["values"]), tuning.chosen_by
    head = (
        f"# The best of {facts['counts'][COMPLETE]} complete trials of the tuning {tuning.name}: "
        f"trial {best['number']},\n"
        f"# {tuning.objective} {TITLES[by]} {shown(best['value'], by)}, arm {tuning.arm}. "
        "Test data had no part in it.\n"
    )
    return head + settings_text(config)


def _gain(facts: Mapping[str, Any]) -> str:
    base = next(
        (
            trial
            for trial in facts["trials"]
            if trial["state"] == COMPLETE and trial["values"] == facts["base"]
        ),
        None,
    )
    if base is None:
        return ""
    if base["number"] == facts["best"]["number"]:
        return ", which is the base itself"
    by = facts["chosen_by"]
    more = gained(facts["best"]["value"], base["value"], by)
    return f", {more} the base ({shown(base['value'], by)})"


def _trial(trial: FrozenTrial, tuning: Tuning) -> Facts:
    facts = trial.user_attrs.get(FACTS, {})
    state = RETRIED if trial.user_attrs.get(AGAIN) else STATES[trial.state.name]
    steps = sorted(trial.intermediate_values.items())
    return {
        "number": trial.number,
        "state": state,
        "value": trial.values[0] if state == COMPLETE else None,
        "by_seed": facts.get("by_seed"),
        "float": facts.get("float"),
        "values": storage.values(trial.params, tuning.search),
        "same_as": trial.user_attrs.get(SAME),
        "said": trial.user_attrs.get(SAID),
        "epochs": len(steps),
        "last": steps[-1][1] if steps else None,
        "seconds": facts.get("seconds"),
        "parameters": facts.get("parameters"),
        "bytes": facts.get("bytes"),
        "commit": facts.get("commit"),
        "versions": facts.get("versions"),
    }


def _space(space: Space) -> Facts:
    return {"choices": list(space.values)} if isinstance(space, Choices) else asdict(space)
