"""A training step of the fine-tuning with quantization: tf_keras' normalization against ours.

The thin student of the README at batch 128, fake-quantized by tensorflow-model-optimization. Both
sides take turns in one process: batch normalization as tf_keras computes it, by TensorFlow's
kernel, and as pipeline/qat/fast_norm.py does; before and after it is frozen. A ratio is the median
over the rounds.

    python -m hintlite.benchmarks.dev.qat_step --out docs/results/qat_step.json
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # before TensorFlow: tfmot takes Keras 2 alone

import numpy as np
import tensorflow as tf

from hintlite.benchmarks.dev.provenance import provenance
from hintlite.files import write_whole
from hintlite.models.settings import NetworkConfig
from hintlite.models.student import build_student
from hintlite.models.taps import logits_only
from hintlite.pipeline.qat import finetune
from hintlite.pipeline.qat.annotate import with_fake_quantization
from hintlite.pipeline.qat.fit_rules import suited
from hintlite.pipeline.qat.job import Job
from hintlite.pipeline.qat.ranges import start_ranges
from hintlite.pipeline.qat.read import read
from hintlite.pipeline.qat.rebuild import rebuild

SHAPE, CLASSES, BATCH = (28, 28, 1), 10, 128
STUDENT = NetworkConfig(widths=(7, 17, 20), depths=(4, 5, 4))
LIBRARIES = ("tensorflow", "tf_keras", "tensorflow-model-optimization")


def fine_tuning(fast: bool, frozen: bool) -> Callable[[], None]:
    """One step of the fine-tuning, ready to be repeated."""
    blueprint = suited(read(logits_only(build_student(STUDENT, SHAPE, CLASSES))))
    plain = rebuild(blueprint)
    model = with_fake_quantization(plain, blueprint)
    images = np.random.default_rng(0).random((BATCH, *SHAPE), np.float32)
    start_ranges(model, plain, images)
    job = Job(True, epochs=1, learning_rate=1e-4, batch_size=BATCH, freeze_norm_after=1, seed=0)
    if fast:
        tuning = finetune.FineTuning(model, job, steps=1)
    else:
        with patch.object(finetune, "with_fast_norm", lambda model: model):
            tuning = finetune.FineTuning(model, job, steps=1)
    batch = (tf.constant(images), tf.constant(np.arange(BATCH) % CLASSES), None)

    def epoch() -> None:
        tuning.epoch(1 if frozen else 0, [batch], lambda done, loss: None)

    return epoch


def compare(frozen: bool, rounds: int, steps: int) -> dict[str, Any]:
    """Milliseconds of a step on both sides, in turns, and their ratio."""
    sides = {"tf_keras": fine_tuning(False, frozen), "hintlite": fine_tuning(True, frozen)}
    for step in sides.values():
        _seconds(step, 3)  # traced and warm
    took: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, step in sides.items():
            took[name].append(1e3 * _seconds(step, steps) / steps)
    ratios = [a / b for a, b in zip(took["tf_keras"], took["hintlite"], strict=True)]
    return {
        "batch_norm": "frozen" if frozen else "training",
        **{f"{name}_ms": [round(value, 2) for value in values] for name, values in took.items()},
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
    }


def _seconds(step: Callable[[], None], steps: int) -> float:
    begun = time.perf_counter()
    for _ in range(steps):
        step()
    return time.perf_counter() - begun


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="where the figures go, as JSON")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each side (7)")
    parser.add_argument("--steps", type=int, default=10, help="steps a turn (10)")
    args = parser.parse_args()
    rows = []
    for frozen in (False, True):
        rows.append(compare(frozen, args.rounds, args.steps))
        medians = [statistics.median(rows[-1][f"{name}_ms"]) for name in ("tf_keras", "hintlite")]
        print(
            f"batch normalization {rows[-1]['batch_norm']}: {medians[0]:.0f} ms with tf_keras' "
            f"kernel, {medians[1]:.0f} ms here, {rows[-1]['ratio']:.2f} times faster",
            flush=True,
        )
    record = {
        **provenance("python -m hintlite.benchmarks.dev.qat_step", LIBRARIES),
        "batch": BATCH,
        "rows": rows,
    }
    if args.out:
        write_whole(args.out, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
