"""Records of a study that was never run, with accuracies that are chosen."""

import json
from functools import cache
from types import SimpleNamespace

from hintlite.pipeline.app.experiments.studies.definition import Arm, Study
from hintlite.pipeline.app.experiments.studies.plan import Plan, Run, short
from hintlite.pipeline.app.experiments.studies.records import SCHEMA, record_id
from hintlite.pipeline.app.experiments.studies.summary import summary
from hintlite.pipeline.settings.quantize import QuantizeConfig
from hintlite.pipeline.settings.run import RunConfig

SEEDS = {"scratch": 5, "kd": 5, "hint+kd": 5, "few": 2}
SAMPLES = 1000
KEY = short({"teacher": 0})


def values():
    """Arm -> precision -> how many of 1,000 samples each seed got right."""
    return {
        "scratch": {"float32": [900, 904, 898, 901, 903], "int8": [899, 903, 897, 901, 902]},
        "kd": {"float32": [909, 901, 905, 899, 906], "int8": [911, 916, 908, 914, 913]},
        "hint+kd": {"float32": [900, 905, 897, 902, 903], "int8": [880, 883, 876, 882, 882]},
        "few": {"float32": [910, 911], "int8": [910, 911]},
    }


def identity(arm, seed):
    return {"arm": arm, "seed": seed}


@cache
def plan():
    runs = [
        Run(
            id=record_id("student", identity(arm, seed), {}),
            arm=arm,
            seed=seed,
            teacher_seed=0,
            teacher=KEY,
            config=RunConfig(seed=seed, arms=(arm,)),
            bounds=QuantizeConfig(),
        )
        for seed in range(5)
        for arm in SEEDS
        if seed < SEEDS[arm]
    ]
    return Plan(tuple(runs), {KEY: RunConfig()})


def figures(right):
    share = right / SAMPLES
    return {"correct": right, "total": SAMPLES, "accuracy": share, "low": share, "high": share}


def record(run, floating, int8):
    """The record of a run with these many right answers."""
    tested = {"float32": figures(floating), "int8": figures(int8)}
    checked = {"float32": floating / SAMPLES, "int8": int8 / SAMPLES, "agreement": 0.99}
    return {
        "schema": SCHEMA,
        "id": run.id,
        "kind": "student",
        "identity": identity(run.arm, run.seed),
        "arm": run.arm,
        "seed": run.seed,
        "teacher_seed": 0,
        "teacher": {"key": KEY, "weights_sha256": "0" * 64},
        "test": tested,
        "validation": checked,
        "test_sha256": "test",
        "parameters": 27_000,
        "macs": 300_000,
        "bytes": {"float32": 110_000, "int8": 37_000},
        "wall_s": {"distill": 100.0, "quantize": 20.0},
        "cpu_s": {"distill": 150.0, "quantize": 20.0},
        "machine": {"processor": "a processor"},
        "versions": {"keras": "3.15.1"},
        "commit": "c0ffee",
        "finished_utc": "2026-01-01T00:00:00+00:00",
        "settings": {"teacher_seed": 0},
    }


def facts_of(folder, chosen, change=lambda record: None):
    """What the report says of records with these values, and with changes made to each."""
    folder.mkdir(exist_ok=True)
    for run in plan().runs:
        if run.arm in chosen:
            both = (chosen[run.arm][precision][run.seed] for precision in ("float32", "int8"))
            content = record(run, *both)
            change(content)
            (folder / f"{run.id}.json").write_text(json.dumps(content))
    if chosen:
        _write_teacher(folder)
    study = Study("chosen", {}, tuple(_arm(name) for name in SEEDS), (0,), ("scratch", "kd"))
    return summary(study, plan(), folder)


def _arm(name):
    return Arm(name, name, {}, tuple(range(SEEDS[name])))


def _write_teacher(folder):
    run = SimpleNamespace(id="", arm="teacher", seed=0)
    teacher = record(run, 935, 934) | {
        "kind": "teacher",
        "identity": {"teacher": 0},
        "key": KEY,
        "weights_sha256": "0" * 64,
    }
    teacher["id"] = record_id("teacher", teacher["identity"], teacher)
    (folder / f"{teacher['id']}.json").write_text(json.dumps(teacher))
