"""What the channels of a student cost: students of about equal size, in other shapes.

Vectors of processors hold 8 or 16 numbers: 17 channels take as long as 24 or 32. For each shape the
MACs, the time of one inference of its float and INT8 files (LiteRT with XNNPACK, one thread, random
weights), and the processor time of one training step at batch 128 (one thread). The shapes take
turns; a figure is the median over the rounds.

    python -m hintlite.benchmarks.dev.student_shapes --out docs/results/student_shapes.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hintlite.benchmarks.dev.deployed_speed import inference
from hintlite.benchmarks.dev.provenance import provenance
from hintlite.deploy.convert.convert import to_float32, to_int8
from hintlite.files import write_whole
from hintlite.models.cost import count_macs
from hintlite.models.settings import NetworkConfig
from hintlite.models.student import build_student
from hintlite.models.taps import logits_only
from hintlite.models.teacher import build_teacher
from hintlite.pipeline.methods.base import with_labels
from hintlite.pipeline.methods.scratch import Scratch
from hintlite.pipeline.training.distiller import Distiller

SHAPE, CLASSES, BATCH = (28, 28, 1), 10, 128
INFERENCES = 200  # of a turn
TEACHER = NetworkConfig(preset="vgg_32_64_128")
STUDENTS = (
    NetworkConfig(widths=(7, 17, 20), depths=(4, 5, 4)),
    NetworkConfig(widths=(8, 16, 20), depths=(4, 5, 4)),
    NetworkConfig(widths=(8, 16, 24), depths=(2, 4, 4)),
    NetworkConfig(widths=(16, 16, 24), depths=(1, 5, 3)),
    NetworkConfig(widths=(16, 16, 16), depths=(1, 6, 5)),
    NetworkConfig(widths=(16, 24, 24), depths=(1, 2, 3)),
)
LIBRARIES = ("tensorflow", "keras", "ai-edge-litert")


def training(network: keras.Model) -> Callable[[], float]:
    """A function that trains some steps and returns the processor time of one in milliseconds."""
    model = Distiller(network, with_labels(Scratch().phases()["task"]), None)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(0)
    images = tf.constant(rng.random((BATCH, *SHAPE), np.float32))
    labels = tf.constant(rng.integers(0, CLASSES, BATCH))
    step = tf.function(lambda: model.train_step((images, labels)))
    step()

    def turn(steps: int = 5) -> float:
        begun = time.process_time()
        for _ in range(steps):
            step()
        return 1e3 * (time.process_time() - begun) / steps

    return turn


def prepared(config: NetworkConfig, build: Any, trained: bool) -> tuple[dict[str, Any], Any]:
    """Facts on a network, and what is to be timed of it."""
    keras.utils.set_random_seed(0)
    network = build(config, SHAPE, CLASSES)
    plain = logits_only(network)
    samples = np.random.default_rng(0).random((64, *SHAPE), np.float32)
    files = {"float_us": to_float32(plain), "int8_us": to_int8(plain, samples)}
    timed = {name: inference(content, INFERENCES, 0.0) for name, content in files.items()}
    if trained:
        timed["step_ms"] = training(network)
    facts = {"parameters": plain.count_params(), "macs": count_macs(plain)}
    return facts | {"int8_bytes": len(files["int8_us"])}, timed


def measure(rounds: int) -> list[dict[str, Any]]:
    """One row a network, the teacher first."""
    subjects = [("teacher", *prepared(TEACHER, build_teacher, trained=False))]
    for config in STUDENTS:
        name = f"{list(config.widths)} x {list(config.depths)}"
        subjects.append((name, *prepared(config, build_student, trained=True)))
    took: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for name, _, timed in subjects:
            for what, turn in timed.items():
                took.setdefault((name, what), []).append(turn())
    return [
        {"network": name, **facts}
        | {what: round(statistics.median(took[name, what]), 1) for what in timed}
        for name, facts, timed in subjects
    ]


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="where the figures go, as JSON")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each network (7)")
    args = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    rows = measure(args.rounds)
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    record = {
        **provenance("python -m hintlite.benchmarks.dev.student_shapes", LIBRARIES),
        "rows": rows,
    }
    if args.out:
        write_whole(args.out, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
