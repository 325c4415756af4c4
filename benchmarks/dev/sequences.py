"""Students on four public sets of series, INT8, each with several seeds.

    python -m hintlite.benchmarks.dev.sequences hapt --data.path HAPT/ --out docs/results/sequences

HAPT is the folder that UCI's archive was extracted to; another division by person for each seed.
The others are folders of the UCR archive with its own division; seeds differ in their start and in
what is set aside for choices. Each seed is a run folder of its own, so an interrupted command goes
on where it stopped; the record is written anew after each seed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from hintlite.benchmarks.dev.provenance import provenance
from hintlite.files import write_whole
from hintlite.pipeline.app.run.console import LOG, Terminal, logged
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import RunFolder
from hintlite.pipeline.app.run.order import run_all
from hintlite.pipeline.app.run.stages import bundle, target
from hintlite.pipeline.app.settings.text import config_from
from hintlite.pipeline.runs.layout import FLOAT, INT8, TEACHER, file_name
from hintlite.pipeline.settings.run import RunConfig

CORE = "cortex-m4"
ARMS = ("scratch", "kd", "hint+kd")
TEACHER_SHAPE = {"family": "tcn", "widths": [32, 64, 64], "depths": [2, 2, 2], "dropout": 0.3}
SETS: dict[str, dict[str, Any]] = {
    "hapt": {
        "data": {"source": "hapt", "test_fraction": 0.3},
        "teacher": TEACHER_SHAPE,
        "student": {"widths": [12, 12, 16], "depths": [1, 1, 2], "first_stride": 2},
        "teacher_training": {"epochs": 12},
        "training": {"epochs": 30},
    },
    "ecg5000": {
        "data": {"source": "ucr", "validation_fraction": 0.2},
        "teacher": TEACHER_SHAPE,
        "student": {"widths": [12, 16, 20], "depths": [1, 2, 2], "first_stride": 2},
        "teacher_training": {"epochs": 60, "batch_size": 32},
        "training": {"epochs": 100, "batch_size": 32},
    },
    "electric_devices": {
        "data": {"source": "ucr"},
        "teacher": TEACHER_SHAPE,
        "student": {"widths": [16, 16, 20], "depths": [1, 1, 2], "kernel": 7},
        "teacher_training": {"epochs": 10},
        "training": {"epochs": 20},
    },
    "forda": {
        "data": {"source": "ucr"},
        "teacher": {**TEACHER_SHAPE, "first_stride": 2},
        "student": {"widths": [16, 16, 24], "depths": [1, 2, 1], "kernel": 7, "first_stride": 2},
        "teacher_training": {"epochs": 12, "batch_size": 64},
        "training": {"epochs": 24, "batch_size": 64},
    },
}


def settings(name: str, path: str, seed: int) -> RunConfig:
    """The settings of one seed."""
    own = SETS[name]
    return config_from(
        {
            "seed": seed,
            "arms": list(ARMS),
            "data": {**own["data"], "path": path, "split_seed": seed},
            "teacher": own["teacher"],
            "student": {"family": "tcn", "times_fewer": None, **own["student"]},
            **{part: own[part] for part in ("teacher_training", "training")},
        }
    )


def run(config: RunConfig, folder: RunFolder, terminal: Terminal) -> dict[str, Any]:
    """One seed up to its bundle: figures on the test part, and sizes of the files."""
    context = Context(config, folder, terminal)
    with folder.lock(), logged(folder.path / LOG, verbose=False):
        run_all(context, last="bundle")
    metrics = json.loads(context.file("evaluate", "metrics.json").read_text())
    places = {TEACHER: "teacher/0", **{arm: f"distill/{arm}" for arm in ARMS}}
    summaries = {
        model: json.loads(context.file(place, "summary.json").read_text())
        for model, place in places.items()
    }
    sizes = {
        model: context.file(f"quantize/{model}", file_name(model, INT8)).stat().st_size
        for model in places
    }
    return {
        "seed": config.seed,
        "test_samples": metrics[f"{TEACHER}:{FLOAT}"]["total"],
        "accuracy": {each: found["accuracy"] for each, found in metrics.items()},
        "macro_f1": {each: found["macro_f1"] for each, found in metrics.items()},
        "parameters": {model: found["parameters"] for model, found in summaries.items()},
        "int8_bytes": sizes,
        "deployed": bundle.chosen_arm(context),
        "data_sha256": context.samples.fingerprint,
    }


def on_core(config: RunConfig, folder: RunFolder, terminal: Terminal) -> dict[str, Any]:
    """What the deployed student takes as plain C on the emulated core."""
    context = Context(config, folder, terminal)
    with folder.lock():
        stage = target.stage(context, CORE)
        folder.complete(stage)
        result = json.loads(context.file(stage.name, "result.json").read_text())
    raw = result["raw"]
    kept = ("code_bytes", "weight_bytes", "ram_bytes", "stack_bytes", "arena_bytes")
    return {
        "kind": result["kind"],
        "instructions_per_inference": raw["instructions_per_inference"],
        **{name: raw[name] for name in kept if name in raw},
    }


def summary(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean, deviation and range over the seeds, and the gap of each file to the float teacher."""
    reference = [one["accuracy"][f"{TEACHER}:{FLOAT}"] for one in runs]
    found = {}
    for name in runs[0]["accuracy"]:
        values = [one["accuracy"][name] for one in runs]
        gaps = [theirs - own for theirs, own in zip(reference, values, strict=True)]
        found[name] = {
            "mean": mean(values),
            "deviation": stdev(values) if len(values) > 1 else None,
            "lowest": min(values),
            "highest": max(values),
            "gap_to_float_teacher": mean(gaps),
        }
    return found


def main() -> None:
    """Runs the seeds of one set and keeps its record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", choices=SETS, help="which set")
    parser.add_argument("--data.path", dest="path", required=True, help="where it lies")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0 to this, exclusive")
    parser.add_argument("--runs", type=Path, default=Path("runs/sequences"))
    parser.add_argument("--out", type=Path, help="folder of the record, SET.json")
    given = parser.parse_args()
    terminal, runs, core = Terminal(), [], None
    for seed in range(given.seeds):
        config = settings(given.set, given.path, seed)
        folder = RunFolder(given.runs / f"{given.set}-{seed}")
        runs.append(run(config, folder, terminal))
        core = core or on_core(config, folder, terminal)
        record = {
            **provenance(
                f"python -m hintlite.benchmarks.dev.sequences {given.set} --data.path DATA",
                ("keras", "tensorflow", "ai-edge-litert", "numpy"),
            ),
            "set": given.set,
            "settings": SETS[given.set],
            "seeds": len(runs),
            "summary": summary(runs),
            CORE: core,
            "runs": runs,
        }
        if given.out:
            write_whole(given.out / f"{given.set}.json", json.dumps(record, indent=1) + "\n")
    for name, found in summary(runs).items():
        print(
            f"{name:20} {found['mean']:.2%}, {found['lowest']:.2%} to {found['highest']:.2%}, gap "
            f"{found['gap_to_float_teacher']:+.2%}"
        )


if __name__ == "__main__":
    main()
