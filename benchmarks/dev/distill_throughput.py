"""Training steps per second: hintlite's Distiller against keras.distillation, in one run.

Two pairs at batch 128: the 28x28 teacher and thin student with a loss on the logits, and a pair of
equal channels with a loss on one feature map. Four sides take turns: keras.distillation, hintlite
with the teacher evaluated in the step, hintlite with the teacher's outputs read from their cache
(flips drawn, each sample's view looked up in the memory-mapped files), and Keras training the
student alone on the labels. Each runs with its faster `jit_compile`; a ratio is the median over the
rounds. The sides of Keras are handed one batch for ever; the cached side pays for its input. What
the matrix products of the live side alone would take is printed beside it: the MACs of one step at
the speed of one large matrix product.

    python -m hintlite.benchmarks.dev.distill_throughput --out docs/results/throughput.json
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hintlite.benchmarks.machine import processor
from hintlite.models.cost import count_macs
from hintlite.models.settings import NetworkConfig
from hintlite.models.student import build_student
from hintlite.models.taps import logits_only, subnetwork
from hintlite.models.teacher import build_teacher
from hintlite.pipeline.app.run.context import commit
from hintlite.pipeline.cache.folder import CacheFolder
from hintlite.pipeline.cache.taps import open_taps
from hintlite.pipeline.data.augment import views
from hintlite.pipeline.data.batches import training_batches
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.data.sources.arrays import from_arrays
from hintlite.pipeline.methods.base import Phase, Term, with_labels
from hintlite.pipeline.methods.kd import KD
from hintlite.pipeline.settings.data import AugmentConfig, DataConfig
from hintlite.pipeline.settings.methods import KDConfig
from hintlite.pipeline.training.distiller import CACHED, Distiller

SHAPE, CLASSES, BATCH = (28, 28, 1), 10, 128
TEACHER = NetworkConfig(preset="vgg_32_64_128")
THIN = NetworkConfig(preset="thin_8_16_20")
EQUAL_CHANNELS = NetworkConfig(widths=(32, 64, 128), depths=(1, 1, 1))
FEATURE = "stage2"
TAU = 3.0
SAMPLES = 2560  # of the cached side; a batch of 14x14x64 hints takes 3.2 MB of a file
FLIPS = AugmentConfig(flip=True)
# What the cached side may take, in times of the student's training without a teacher.
STUDENT_TARGET = 1.3


@dataclass(frozen=True)
class Pair:
    """Two networks and what is minimised.

    Attributes:
        name: for the report.
        student: its settings.
        feature: the loss is on this feature map; None: on the logits.
        target: times keras.distillation to reach with the teacher evaluated in the step.
        cached_target: likewise with its outputs cached.
    """

    name: str
    student: NetworkConfig
    feature: str | None
    target: float
    cached_target: float

    @property
    def tap(self) -> str:
        """The teacher's tap that the loss reads."""
        return self.feature or "logits"


PAIRS = (
    Pair("28x28 teacher, thin student, logits", THIN, None, 1.0, 1.5),
    Pair("equal channels, one feature map", EQUAL_CHANNELS, FEATURE, 1.2, 1.9),
)


def networks(pair: Pair) -> tuple[keras.Model, keras.Model]:
    """A teacher and a student, newly initialised."""
    keras.utils.set_random_seed(0)
    teacher = build_teacher(TEACHER, SHAPE, CLASSES)
    return teacher, build_student(pair.student, SHAPE, CLASSES)


def one_batch(pair: Pair) -> tf.data.Dataset:
    """One batch, for ever: reading data is not what is measured."""
    del pair
    rng = np.random.default_rng(0)
    x = rng.random((BATCH, *SHAPE), dtype=np.float32)
    y = rng.integers(0, CLASSES, BATCH)
    options = tf.data.Options()
    # Else the end of `fit` waits for the tuning thread, which sleeps for up to a minute.
    options.autotune.enabled = False
    return tf.data.Dataset.from_tensors((x, y)).repeat().with_options(options)


def cached_batches(pair: Pair) -> tf.data.Dataset:
    """Batches as a run makes them: shuffled, flipped, with the teacher's output of that view."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (SAMPLES, *SHAPE), dtype=np.uint8)
    labels = np.arange(SAMPLES) % CLASSES
    data = load_training(DataConfig(), from_arrays(images, labels, (images, labels)))
    # The files live as long as they are mapped, without their names.
    with tempfile.TemporaryDirectory() as place:
        opened = open_taps(
            CacheFolder(Path(place)),
            teacher=networks(pair)[0],
            data=data,
            taps=[pair.tap],
            views=views(FLIPS) or (),
        )
    lookups = {f"{CACHED}{tap}": found for tap, found in opened.cached.items()}
    return training_batches(
        data,
        data.train,
        batch_size=BATCH,
        seed=0,
        augmentation=FLIPS,
        epochs=1000,
        extras=lookups,
        drop_remainder=True,
    )


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


def student_alone(pair: Pair, jit: bool) -> keras.Model:
    """Keras training the student on the labels."""
    model = logits_only(networks(pair)[1])
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


Batches = Callable[[Pair], tf.data.Dataset]
Build = Callable[[Pair, bool], keras.Model]
SIDES: dict[str, tuple[Build, Batches]] = {
    "keras": (theirs, one_batch),
    "live": (ours, one_batch),
    "cached": (ours, cached_batches),
    "student": (student_alone, one_batch),
}


class Side:
    """One way to train a pair, with its faster `jit_compile`.

    Args:
        name: in SIDES.
        pair: what is trained.
        choices: values of `jit_compile` to choose from.
    """

    def __init__(self, name: str, pair: Pair, choices: tuple[bool, ...]) -> None:
        build, batches = SIDES[name]
        self.batches = batches(pair)
        timed = []
        for jit in choices:
            self.model, self.jit = build(pair, jit), jit
            self.times(3)
            timed.append((min(self.times(5)[0] for _ in range(2)), jit, self.model))
        _, self.jit, self.model = min(timed, key=lambda entry: entry[0])

    def times(self, steps: int) -> tuple[float, float]:
        """Seconds of one step by the clock and of the processor, as means of some steps."""
        clock, processor_s = time.perf_counter(), time.process_time()
        self.model.fit(self.batches, steps_per_epoch=steps, epochs=1, verbose=0)
        took = time.perf_counter() - clock, time.process_time() - processor_s
        return took[0] / steps, took[1] / steps


def matrix_products_s(pair: Pair) -> float:
    """Seconds of one step if it were one large matrix product of as many MACs.

    The student counts three times (forward, gradient of inputs, gradient of weights), the teacher
    up to its tap once.
    """
    teacher, student = networks(pair)
    taught = subnetwork(teacher, [pair.tap])
    macs = BATCH * (3 * count_macs(student) + count_macs(taught))
    side = 2048
    a = tf.random.normal((side, side))
    tf.matmul(a, a).numpy()
    start = time.perf_counter()
    for _ in range(5):
        tf.matmul(a, a).numpy()
    return macs / (5 * side**3 / (time.perf_counter() - start))


def measure(pair: Pair, rounds: int, steps: int, choices: tuple[bool, ...]) -> dict[str, Any]:
    """All sides in turn."""
    sides = {name: Side(name, pair, choices) for name in SIDES}
    turns = [{name: side.times(steps) for name, side in sides.items()} for _ in range(rounds)]
    return {
        "pair": pair.name,
        "live": compared(turns, "keras", "live") | {"target": pair.target},
        "cached": compared(turns, "keras", "cached") | {"target": pair.cached_target},
        "cached_to_student": compared(turns, "cached", "student") | {"most": STUDENT_TARGET},
        "ms_per_step": {
            name: 1e3 * statistics.median(turn[name][0] for turn in turns) for name in sides
        },
        "jit_compile": {name: side.jit for name, side in sides.items()},
        "matrix_products_ms": 1e3 * matrix_products_s(pair),
    }


def compared(
    turns: list[dict[str, tuple[float, float]]], slower: str, faster: str
) -> dict[str, float]:
    """How many times longer the slower side takes: median and extremes over the turns.

    The ratio of the processor's seconds does not suffer from other programs; it counts work that
    several cores do at once in full.
    """
    ratios = sorted(turn[slower][0] / turn[faster][0] for turn in turns)
    return {
        "ratio": statistics.median(ratios),
        "lowest": ratios[0],
        "highest": ratios[-1],
        "processor_ratio": statistics.median(t[slower][1] / t[faster][1] for t in turns),
    }


def show(result: dict[str, Any]) -> None:
    """The figures of a pair, one a line."""
    print(result["pair"])
    for name, words, bound in (
        ("live", "keras.distillation / hintlite", "target"),
        ("cached", "keras.distillation / hintlite, cached", "target"),
        ("cached_to_student", "hintlite, cached / student alone", "most"),
    ):
        found = result[name]
        limit = "to reach" if bound == "target" else "at most"
        print(
            f"  {words}: {found['ratio']:.2f} ({found['lowest']:.2f} to {found['highest']:.2f}; "
            f"{limit} {found[bound]}), processor time {found['processor_ratio']:.2f}"
        )
    steps = ", ".join(f"{name} {ms:.1f}" for name, ms in result["ms_per_step"].items())
    products = result["matrix_products_ms"]
    print(f"  ms a step: {steps}; matrix products alone {products:.1f}", flush=True)


def main() -> None:
    """Measures, prints and keeps the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="turns of all sides")
    parser.add_argument("--steps", type=int, default=20, help="training steps in a turn")
    parser.add_argument(
        "--without-xla", action="store_true", help="do not try jit_compile, which takes minutes"
    )
    parser.add_argument("--out", type=Path, help="where to keep the figures as JSON")
    arguments = parser.parse_args()
    choices = (False,) if arguments.without_xla else (False, True)
    results = []
    for pair in PAIRS:
        results.append(measure(pair, arguments.rounds, arguments.steps, choices))
        show(results[-1])
    if arguments.out:
        record = {
            "command": "python -m hintlite.benchmarks.dev.distill_throughput",
            "commit": commit(),
            "machine": {"processor": processor(), "python": platform.python_version()},
            "versions": {"keras": keras.__version__, "tensorflow": tf.__version__},
            "settings": {
                "rounds": arguments.rounds,
                "steps": arguments.steps,
                "batch": BATCH,
                "xla_tried": not arguments.without_xla,
            },
            "results": results,
        }
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
