"""The quantizer's process: reads a job's folder, fine-tunes, leaves a file and figures there.

What turns a network into a file and what runs a file are handed in (see
pipeline/app/run/qat/process.py): this package knows neither converter nor interpreter.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from hintlite.pipeline.data.training_data import TrainingData
from hintlite.pipeline.qat import blueprint as plans
from hintlite.pipeline.qat.annotate import with_fake_quantization
from hintlite.pipeline.qat.blueprint import Blueprint, CarryError
from hintlite.pipeline.qat.finetune import Teach
from hintlite.pipeline.qat.fit_rules import suited
from hintlite.pipeline.qat.job import read_job
from hintlite.pipeline.qat.ranges import start_ranges
from hintlite.pipeline.qat.rebuild import rebuild
from hintlite.pipeline.qat.running import Running, Tools
from hintlite.pipeline.qat.samples import load_samples

COMPARE = "compare.npz"
TEACHER = "teacher"
SAME = 1e-5  # largest difference between Keras 3 and the rebuilt network, a share of the outputs


def work(folder: Path, tools: Tools) -> None:
    """Fine-tunes the network of a job's folder, going on from its checkpoint if there is one.

    The best epoch is the one whose *converted* file does best on the validation part; the network
    before any training counts as epoch 0.

    Args:
        folder: the job's, in the folder that it shares with other jobs (hintlite.pipeline.qat.job).
        tools: what else the process needs.

    Raises:
        CarryError: the network cannot be carried over, or computes something else there.
        TuningError: the training diverged.
    """
    shared, job = folder.parent, read_job(folder)
    tf_keras.utils.set_random_seed(job.seed)
    if job.deterministic:
        tf.config.experimental.enable_op_determinism()
    blueprint = plans.load(shared)
    data, soft = load_samples(shared)
    difference = _compared(blueprint, shared / COMPARE)
    tools.tell({"what": "carried", "difference": difference})
    plain = rebuild(blueprint)
    if job.quantized:
        blueprint = suited(blueprint)
        plain = _quantized(blueprint, data)
    run = Running(folder, job, data, soft, tools)
    run.prepare(plain, blueprint, _teacher(shared / TEACHER))
    run.all_epochs()
    run.finish(difference)


def _compared(blueprint: Blueprint, path: Path) -> float:
    """Largest difference between Keras 3 and the rebuilt network, a share of the outputs' size.

    Both compute in double precision (see `prepare.exact_outputs`).
    """
    with np.load(path, allow_pickle=False) as file:
        inputs, expected = file["inputs"], file["outputs"]
    tf_keras.backend.set_floatx("float64")
    try:
        found = rebuild(blueprint)(inputs, training=False).numpy()
    finally:
        tf_keras.backend.set_floatx("float32")
    size = float(np.max(np.abs(expected))) or 1.0
    difference = float(np.max(np.abs(found - expected))) / size
    if not difference <= SAME:
        raise CarryError(
            f"the network computes something else under tf_keras: the outputs differ by "
            f"{difference:.2g} of their size, expected at most {SAME:.0e}; a layer's settings are "
            "not carried over: please report the network"
        )
    return difference


def _quantized(blueprint: Blueprint, data: TrainingData) -> tf_keras.Model:
    plain = rebuild(blueprint)
    model = with_fake_quantization(plain, blueprint)
    start_ranges(model, plain, data.normalized(data.calibration))
    return model


def _teacher(folder: Path) -> Teach | None:
    """The teacher's function; None where there is none, or where its logits are at hand."""
    if not folder.is_dir():
        return None
    loaded: Any = tf.saved_model.load(str(folder))

    def teach(images: Any) -> Any:
        return loaded.logits(images)  # held by this function: else its variables would be gone

    return teach
