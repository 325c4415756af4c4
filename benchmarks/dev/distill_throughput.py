"""Training steps per second: hintlite's Distiller against keras.distillation, in one run.

Two pairs at batch 128: the 28x28 teacher and thin student with a loss on the logits, and a pair of
equal channels with a loss on one feature map. Each side runs with its faster `jit_compile`; the
sides take turns, and the ratio is the median over the rounds. What the matrix products alone would
take is printed beside it: the MACs of one step at the speed of one large matrix product.

    python -m benchmarks.dev.distill_throughput --out docs/results/throughput.json
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.dev.machine import processor
from models.cost import count_macs
from models.presets import NetworkConfig
from models.student import build_student
from models.taps import logits_only, subnetwork
from models.teacher import build_teacher
from pipeline.app.context import commit
from pipeline.config import KDConfig
from pipeline.distiller import Distiller
from pipeline.methods.base import Phase, Term, with_labels
from pipeline.methods.kd import KD

SHAPE, CLASSES, BATCH = (28, 28, 1), 10, 128
TEACHER = NetworkConfig(preset="vgg_32_64_128")
THIN = NetworkConfig(preset="thin_8_16_20")
EQUAL_CHANNELS = NetworkConfig(widths=(32, 64, 128), depths=(1, 1, 1))
FEATURE = "stage2"
TAU = 3.0


@dataclass(frozen=True)
class Pair:
    """Two networks and what is minimised.

    Attributes:
        name: for the report.
        student: its settings.
        feature: the loss is on this feature map; None: on the logits.
        target: ratio to reach.
    """

    name: str
    student: NetworkConfig
    feature: str | None
    target: float


PAIRS = (
    Pair("28x28 teacher, thin student, logits", THIN, None, 1.0),
    Pair("equal channels, one feature map", EQUAL_CHANNELS, FEATURE, 1.2),
)


def networks(pair: Pair) -> tuple[keras.Model, keras.Model]:
    """A teacher and a student, newly initialised."""
    keras.utils.set_random_seed(0)
    teacher = build_teacher(TEACHER, SHAPE, CLASSES)
    return teacher, build_student(pair.student, SHAPE, CLASSES)


def batches() -> tf.data.Dataset:
    """One batch, for ever: reading data is not what is measured."""
    rng = np.random.default_rng(0)
    x = rng.random((BATCH, *SHAPE), dtype=np.float32)
    y = rng.integers(0, CLASSES, BATCH)
    return tf.data.Dataset.from_tensors((x, y)).repeat()


def ours(pair: Pair, jit: bool) -> keras.Model:
    """hintlite's Distiller with the same losses."""
    teacher, student = networks(pair)
    if pair.feature is None:
        soft = KDConfig(temperature=TAU, weight_start=1.0, weight_end=1.0, tau_squared=True)
        phase = KD(soft).phases()["task"]
    else:
        phase = without_regressor(pair.feature)
    model = Distiller(student, with_labels(phase), teacher)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), jit_compile=jit)
    return model


def without_regressor(feature: str) -> Phase:
    """Mean squared error of two maps of equal shape, which is what Keras' own loss computes."""
    ops = keras.ops

    def loss(batch: Any) -> Any:
        error = batch.student[feature] - batch.teacher[feature]
        return ops.mean(ops.square(error), axis=(1, 2, 3))

    taps = frozenset({feature})
    return Phase((Term("feature", loss),), student_taps=taps | {"logits"}, teacher_taps=taps)


def theirs(pair: Pair, jit: bool) -> keras.Model:
    """keras.distillation.Distiller on the same networks and data."""
    teacher, student = networks(pair)
    teacher_tap, student_tap = (_layer_of(n, pair.feature) for n in (teacher, student))
    if pair.feature is None:
        # Its default loss is a string, which skips the KL branch and the softmax.
        loss = keras.distillation.LogitsDistillation(
            temperature=TAU, loss=keras.losses.KLDivergence()
        )
    else:
        loss = keras.distillation.FeatureDistillation(
            loss=keras.losses.MeanSquaredError(),
            teacher_layer_name=teacher_tap,
            student_layer_name=student_tap,
        )
    model = keras.distillation.Distiller(
        teacher=logits_only(teacher),
        student=logits_only(student),
        distillation_losses=[loss],
        distillation_loss_weights=[1.0],
        student_loss_weight=0.5,  # at 1 it leaves the teacher out altogether
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=jit,
    )
    return model


def _layer_of(network: keras.Model, tap: str | None) -> str | None:
    if tap is None:
        return None
    return str(network.output[tap]._keras_history.operation.name)


def seconds_per_step(model: keras.Model, steps: int) -> float:
    """Time of one step, as the mean of some steps of `fit`."""
    start = time.perf_counter()
    model.fit(batches(), steps_per_epoch=steps, epochs=1, verbose=0)
    return (time.perf_counter() - start) / steps


def faster(build: Callable[[Pair, bool], keras.Model], pair: Pair) -> tuple[keras.Model, bool]:
    """The side with the `jit_compile` that makes its step shorter."""
    timed = []
    for jit in (False, True):
        model = build(pair, jit)
        seconds_per_step(model, 3)
        timed.append((min(seconds_per_step(model, 5) for _ in range(2)), jit, model))
    _, jit, model = min(timed, key=lambda entry: entry[0])
    return model, jit


def matrix_products_s(pair: Pair) -> float:
    """Seconds of one step if it were one large matrix product of as many MACs.

    The student counts three times (forward, gradient of inputs, gradient of weights), the teacher
    up to its tap once.
    """
    teacher, student = networks(pair)
    taught = subnetwork(teacher, [pair.feature or "logits"])
    macs = BATCH * (3 * count_macs(student) + count_macs(taught))
    side = 2048
    a = tf.random.normal((side, side))
    tf.matmul(a, a).numpy()
    start = time.perf_counter()
    for _ in range(5):
        tf.matmul(a, a).numpy()
    return macs / (5 * side**3 / (time.perf_counter() - start))


def measure(pair: Pair, rounds: int, steps: int) -> dict[str, Any]:
    """Both sides in turn."""
    mine, my_jit = faster(ours, pair)
    other, other_jit = faster(theirs, pair)
    times = [(seconds_per_step(mine, steps), seconds_per_step(other, steps)) for _ in range(rounds)]
    ratios = sorted(their / our for our, their in times)
    return {
        "pair": pair.name,
        "ratio": statistics.median(ratios),
        "ratio_lowest": ratios[0],
        "ratio_highest": ratios[-1],
        "target": pair.target,
        "hintlite_ms_per_step": 1e3 * statistics.median(our for our, _ in times),
        "keras_ms_per_step": 1e3 * statistics.median(their for _, their in times),
        "hintlite_jit_compile": my_jit,
        "keras_jit_compile": other_jit,
        "matrix_products_ms": 1e3 * matrix_products_s(pair),
    }


def main() -> None:
    """Measures, prints and keeps the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="turns of both sides")
    parser.add_argument("--steps", type=int, default=20, help="training steps in a turn")
    parser.add_argument("--out", type=Path, help="where to keep the figures as JSON")
    arguments = parser.parse_args()
    results = []
    for pair in PAIRS:
        result = measure(pair, arguments.rounds, arguments.steps)
        results.append(result)
        print(
            f"{pair.name}: {result['ratio']:.2f} times keras.distillation "
            f"({result['ratio_lowest']:.2f} to {result['ratio_highest']:.2f}; to reach "
            f"{pair.target}); {result['hintlite_ms_per_step']:.1f} ms against "
            f"{result['keras_ms_per_step']:.1f} ms a step, "
            f"matrix products alone {result['matrix_products_ms']:.1f} ms",
            flush=True,
        )
    if arguments.out:
        record = {
            "command": "python -m benchmarks.dev.distill_throughput",
            "commit": commit(),
            "machine": {"processor": processor(), "python": platform.python_version()},
            "versions": {"keras": keras.__version__, "tensorflow": tf.__version__},
            "settings": {"rounds": arguments.rounds, "steps": arguments.steps, "batch": BATCH},
            "results": results,
        }
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
