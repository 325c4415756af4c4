"""Accuracy on the digits over ten seeds: the settings of the demo, another split and start each.

    python -m hintlite.benchmarks.dev.digits_accuracy --out docs/results/digits.json

Each seed is a run folder of its own, so an interrupted command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from hintlite.benchmarks.machine import processor
from hintlite.pipeline.app.run.console import LOG, Terminal, logged
from hintlite.pipeline.app.run.context import Context, commit
from hintlite.pipeline.app.run.folder import RunFolder
from hintlite.pipeline.app.run.order import run_all
from hintlite.pipeline.app.run.stages.evaluate import share
from hintlite.pipeline.app.settings.text import read_config
from hintlite.pipeline.runs.layout import FLOAT, INT8, TEACHER
from hintlite.pipeline.settings.run import RunConfig

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"
LEAST_ACCURACY, LARGEST_DROP, LEAST_RATIO = 0.97, 0.005, 10.0
LEAST_AHEAD = 0.9  # share of the seeds on which hints + KD must be ahead of the student alone
ALONE, HINTED = f"scratch:{INT8}", f"hint+kd:{INT8}"


def run(config: RunConfig, folder: RunFolder, terminal: Terminal) -> dict[str, Any]:
    """One seed up to its evaluation: correct answers of each model, and parameters."""
    context = Context(config, folder, terminal)
    with folder.lock(), logged(folder.path / LOG, verbose=False):
        run_all(context, last="evaluate")
    metrics = json.loads(context.file("evaluate", "metrics.json").read_text())
    stages = {TEACHER: "teacher/0", **{arm: f"distill/{arm}" for arm in config.arms}}
    summaries = {
        model: json.loads(context.file(stage, "summary.json").read_text())
        for model, stage in stages.items()
    }
    parameters = {model: summary["parameters"] for model, summary in summaries.items()}
    return {"split_seed": config.data.split_seed, "metrics": metrics, "parameters": parameters}


def pooled(runs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Correct answers of all seeds together, with the 95 % Wilson interval and each seed's own."""
    figures = {}
    for name in runs[0]["metrics"]:
        correct = sum(one["metrics"][name]["correct"] for one in runs)
        total = sum(one["metrics"][name]["total"] for one in runs)
        by_seed = [one["metrics"][name]["accuracy"] for one in runs]
        figures[name] = share(correct, total) | {"by_seed": by_seed}
    return figures


def ahead(figures: dict[str, dict[str, Any]]) -> int:
    """On how many seeds the INT8 student with hints + KD is right more often than that alone."""
    pairs = zip(figures[HINTED]["by_seed"], figures[ALONE]["by_seed"], strict=True)
    return sum(hinted > alone for hinted, alone in pairs)


def main() -> int:
    """Runs the seeds, prints and keeps the pooled figures; 1 if they fall short."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="seeds 0 to this, exclusive")
    parser.add_argument("--runs", type=Path, default=Path("runs/digits_accuracy"))
    parser.add_argument("--out", type=Path, help="where to keep the figures as JSON")
    arguments = parser.parse_args()
    base = read_config(CONFIG)
    terminal = Terminal()
    runs = []
    for seed in range(arguments.seeds):
        config = replace(base, seed=seed, data=replace(base.data, split_seed=seed))
        runs.append(run(config, RunFolder(arguments.runs / f"split{seed}"), terminal))
    figures = pooled(runs)
    for name, figure in figures.items():
        print(
            f"{name:20} {figure['accuracy']:.2%} ({figure['low']:.2%} to {figure['high']:.2%}, "
            f"{figure['correct']} of {figure['total']}; by seed "
            f"{', '.join(f'{each:.1%}' for each in figure['by_seed'])})"
        )
    won = ahead(figures)
    print(f"hints + KD ahead of the student alone, INT8: {won} of {len(runs)} seeds")
    student, teacher = (runs[0]["parameters"][name] for name in ("hint+kd", TEACHER))
    best, floating = (figures[f"hint+kd:{p}"]["accuracy"] for p in (INT8, FLOAT))
    print(
        f"parameters: teacher {teacher:,}, student {student:,}, {teacher / student:.2f} times fewer"
    )
    reached = (
        best >= LEAST_ACCURACY
        and floating - best <= LARGEST_DROP
        and teacher / student >= LEAST_RATIO
        and won >= LEAST_AHEAD * len(runs)
    )
    if arguments.out:
        record = {
            "command": "python -m hintlite.benchmarks.dev.digits_accuracy"
            f" --seeds {arguments.seeds}",
            "commit": commit(),
            "machine": {"processor": processor(), "python": platform.python_version()},
            "versions": {name: metadata.version(name) for name in ("keras", "tensorflow")},
            "settings": CONFIG.relative_to(CONFIG.parents[1]).as_posix(),
            "pooled": figures,
            "ahead_of_alone": won,
            "parameters": runs[0]["parameters"],
        }
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(record, indent=1) + "\n")
    return 0 if reached else 1


if __name__ == "__main__":
    raise SystemExit(main())
