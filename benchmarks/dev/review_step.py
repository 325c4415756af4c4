"""A step of ReviewKD: as Keras computes it against what runs here.

Loss and gradients of the review alone, without XLA (the default of a training), of three stages of
a 28x28 teacher with 32, 64 and 128 channels and a student with 16 each, at batch 128. Both sides
take turns in one process: the pooling of `keras.ops` and Keras' batch normalization, against the
averages of models/resize.py and the normalization of pipeline/training/batch_norm.py. A ratio is
the median over the rounds.

    python -m hintlite.benchmarks.dev.review_step --out docs/results/review_step.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from hintlite.benchmarks.dev.provenance import provenance
from hintlite.files import write_whole
from hintlite.pipeline.methods import fusion_block, reviewkd
from hintlite.pipeline.methods.base import Batch
from hintlite.pipeline.settings.methods import ReviewKDConfig

BATCH = 128
STAGES = {"stage1": (28, 28), "stage2": (14, 14), "stage3": (7, 7)}
TEACHER, STUDENT = (32, 64, 128), (16, 16, 16)  # channels of each stage
LIBRARIES = ("tensorflow", "keras")


def pooled(x: Any, size: tuple[int, int]) -> Any:
    """Averages by the pooling of `keras.ops`."""
    height, width = x.shape[1:3]
    if (height, width) == size:
        return x
    if height % size[0] == 0 and width % size[1] == 0:
        return ops.average_pool(x, window := (height // size[0], width // size[1]), window)
    return ops.adaptive_average_pool(x, size)


def maps(channels: tuple[int, ...], seed: int) -> dict[str, Any]:
    """Random feature maps of each stage."""
    rng = np.random.default_rng(seed)
    shapes = zip(STAGES.items(), channels, strict=True)
    return {
        name: tf.constant(rng.normal(size=(BATCH, *size, last)).astype(np.float32))
        for (name, size), last in shapes
    }


def reviewing() -> Callable[[], float]:
    """One step, traced and ready to be repeated; it returns the loss."""
    keras.utils.set_random_seed(0)
    student, teacher, rows = maps(STUDENT, 1), maps(TEACHER, 2), tf.range(BATCH)
    method = reviewkd.ReviewKD(ReviewKDConfig(), {name: name for name in STAGES})
    method.build(_shapes(teacher), _shapes(student), n_samples=BATCH)
    weights = [weight for block in method.blocks.values() for weight in block.trainable_variables]

    @tf.function(autograph=False)
    def step() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(student)
            batch = Batch(student, teacher, labels=rows, index=rows, training=True)
            loss = tf.reduce_mean(method.review_loss(batch))
        return loss, tape.gradient(loss, [list(student.values()), weights])

    def run() -> float:
        return float(step()[0])

    run()
    return run


def _shapes(of: dict[str, Any]) -> dict[str, tuple[int | None, ...]]:
    return {name: (None, *value.shape[1:]) for name, value in of.items()}


def compare(rounds: int, steps: int) -> dict[str, Any]:
    """Milliseconds of a step on both sides, in turns, their ratio, and both first losses."""
    with (
        patch.object(reviewkd, "average_to", pooled),
        patch.object(fusion_block, "with_fast_batch_norm", lambda block: block),
    ):
        before = reviewing()
    sides = {"keras": before, "hintlite": reviewing()}
    losses = {name: run() for name, run in sides.items()}
    took: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            begun = time.perf_counter()
            for _ in range(steps):
                run()
            took[name].append(1e3 * (time.perf_counter() - begun) / steps)
    ratios = [a / b for a, b in zip(took["keras"], took["hintlite"], strict=True)]
    return {
        **{f"{name}_ms": [round(value, 1) for value in values] for name, values in took.items()},
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "losses": losses,
    }


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="where the figures go, as JSON")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each side (7)")
    parser.add_argument("--steps", type=int, default=5, help="steps a turn (5)")
    args = parser.parse_args()
    row = compare(args.rounds, args.steps)
    medians = [statistics.median(row[f"{name}_ms"]) for name in ("keras", "hintlite")]
    print(
        f"{medians[0]:.0f} ms a step as Keras computes it, {medians[1]:.0f} ms here, "
        f"{row['ratio']:.2f} times faster ({min(row['ratios']):.2f} to {max(row['ratios']):.2f})"
    )
    record = {
        **provenance("python -m hintlite.benchmarks.dev.review_step", LIBRARIES),
        "batch": BATCH,
        **row,
    }
    if args.out:
        write_whole(args.out, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
