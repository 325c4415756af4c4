"""How the default settings of `thin_deep` and of the phases were chosen, on validation data alone.

One teacher on Fashion-MNIST (that of `configs/fashion_mnist.yaml`, taken from a run's folder), and
students taught by hint + KD on a part of the training images, one setting changed at a time. What
counts is the accuracy on the validation part; the test data is not opened.

    hintlite run runs/fashion --config configs/fashion_mnist.yaml
    python -m hintlite.benchmarks.dev.default_settings --run runs/fashion \
        --out docs/results/defaults.json
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hintlite.benchmarks.machine import processor
from hintlite.files import write_whole
from hintlite.models.settings import NetworkConfig
from hintlite.models.student import build_student
from hintlite.pipeline.app.run.console import Terminal
from hintlite.pipeline.app.run.context import Context, commit, fresh_session
from hintlite.pipeline.app.run.folder import RunFolder
from hintlite.pipeline.app.run.teacher_taps import cached_taps
from hintlite.pipeline.app.settings.text import read_config
from hintlite.pipeline.methods import build_method
from hintlite.pipeline.methods.base import tap_shapes
from hintlite.pipeline.runs.layout import SETTINGS
from hintlite.pipeline.settings.run import RunConfig
from hintlite.pipeline.training.train import Job, train

ARM = "hint+kd"
THIN = NetworkConfig(widths=(8, 16, 20), depths=(4, 5, 4), times_fewer=10.4, channel_multiple=1)
WIDER = NetworkConfig(widths=(12, 24, 30), depths=(2, 3, 2), times_fewer=10.4, channel_multiple=1)


def candidates(config: RunConfig, epochs: int) -> dict[str, RunConfig]:
    """Name -> settings; each differs from the first in one thing."""
    task = replace(config.training, epochs=epochs, learning_rate=3e-3)
    hint = replace(config.hint, epochs=2, learning_rate=3e-3)
    first = replace(config, training=task, hint=hint, student=THIN, arms=(ARM,))

    def rate(value: float) -> RunConfig:
        return replace(
            first,
            training=replace(task, learning_rate=value),
            hint=replace(hint, learning_rate=value),
        )

    return {
        "first: rate 3e-3, 2 hint epochs, 13 plain convolutions": first,
        "rate 2e-3": rate(2e-3),
        "rate 5e-3": rate(5e-3),
        "rate 8e-3": rate(8e-3),
        "1 hint epoch": replace(first, hint=replace(hint, epochs=1)),
        "4 hint epochs": replace(first, hint=replace(hint, epochs=4)),
        "residual": replace(first, student=replace(THIN, residual=True)),
        "wider, 7 convolutions": replace(first, student=WIDER),
    }


def accuracy(context: Context, config: RunConfig, images: int, seed: int) -> float:
    """Best validation accuracy of one student, in percent."""
    rows = context.data.train[:images]
    data = replace(context.data, train=rows, calibration=rows[:1])
    with fresh_session(seed), tempfile.TemporaryDirectory() as folder:
        teacher = context.teacher()
        student = build_student(
            config.student, data.input_shape, len(data.class_names), teacher.count_params()
        )
        method = build_method(ARM, config, teacher, student)
        method.build(tap_shapes(teacher), tap_shapes(student), len(data.images))
        job = Job(
            student=student,
            method=method,
            teacher=teacher,
            data=data,
            augmentation=config.data.augmentation,
            config=config.training,
            seed=seed,
            folder=Path(folder),
            cached=cached_taps(context, method, teacher),
        )
        return 100 * max(float(row.get("val_accuracy", 0.0)) for row in train(job))


def main() -> None:
    """Trains what is missing in the result file, a line each."""
    arguments = _arguments()
    config = read_config(arguments.run / SETTINGS)
    context = Context(config, RunFolder(arguments.run), Terminal())
    out = arguments.out
    found = json.loads(out.read_text())["validation_accuracy"] if out.exists() else {}
    for name, candidate in candidates(config, arguments.epochs).items():
        for seed in map(str, arguments.seeds):
            if seed in found.get(name, {}):
                continue
            began = time.perf_counter()
            figure = accuracy(context, candidate, arguments.images, int(seed))
            found.setdefault(name, {})[seed] = round(figure, 3)
            print(f"{name}, seed {seed}: {figure:.2f} % ({time.perf_counter() - began:.0f} s)")
            write_whole(out, json.dumps(_result(arguments, config, found), indent=1) + "\n")


def _result(arguments: Any, config: RunConfig, found: dict[str, Any]) -> dict[str, Any]:
    return {
        "what": "validation accuracy in percent of students taught by hint + KD",
        "data": asdict(config.data),
        "training_images": arguments.images,
        "epochs": arguments.epochs,
        "teacher_network": asdict(config.teacher),
        "validation_accuracy": found,
        "commit": commit(),
        "processor": processor(),
        "python": platform.python_version(),
        "command": "python -m hintlite.benchmarks.dev.default_settings --run RUN"
        f" --out {arguments.out} --images {arguments.images} --epochs {arguments.epochs}",
    }


def _arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="run folder with the teacher")
    parser.add_argument("--out", type=Path, required=True, help="result file; goes on from it")
    parser.add_argument("--images", type=int, default=15_000, help="training images of a student")
    parser.add_argument("--epochs", type=int, default=6, help="of the task phase")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="of the students")
    return parser.parse_args()


if __name__ == "__main__":
    main()
