"""What the quantizer's process is asked and what it answers: files.

A folder that several jobs on one network share holds

    network.json, network.npz       the network (hintlite.pipeline.qat.blueprint)
    compare.npz                     some inputs, and the outputs that Keras 3 gives for them
    samples.json, *.npy             the samples (hintlite.pipeline.qat.samples)
    teacher_logits.npy              soft targets for each image in each view, or
    teacher/                        the teacher as a SavedModel, where it is run in each step

and a folder in it for each job job.json, the request below. The answer is written beside that: a
checkpoint after each epoch, and at the end model.tflite, tuned/ (the network with the weights of
the best epoch) and result.json. Progress is told through hintlite.child.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hintlite.files import write_whole

JOB, RESULT, CHECKPOINT = "job.json", "result.json", "checkpoint.npz"
MODEL, TUNED = "model.tflite", "tuned"
VERSION = 4  # of the code behind a fine-tuning; raised whenever the same job ends otherwise


@dataclass(frozen=True)
class Job:
    """A fine-tuning.

    Attributes:
        quantized: with fake quantization; False is the control, the float network trained as long.
        epochs: passes over the training part.
        learning_rate: at the start; decays to 0 on a cosine.
        batch_size: samples in a step.
        freeze_norm_after: epochs after which batch normalization keeps its statistics.
        seed: of order, augmentation and dropout.
        augmentation: arguments of `AugmentConfig`.
        label_weight: of the cross-entropy with the labels.
        label_smoothing: mass taken from the true class.
        class_weights: one a class, which weighs its samples; empty for equal ones.
        soft_weight: lambda, of the soft targets; 0 where there is no teacher.
        temperature: tau.
        tau_squared: multiply the soft term by tau^2.
        deterministic: bit-equal results on the same machine, somewhat slower.
    """

    quantized: bool
    epochs: int
    learning_rate: float
    batch_size: int
    freeze_norm_after: int
    seed: int
    augmentation: dict[str, Any] = field(default_factory=dict)
    label_weight: float = 1.0
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] = ()
    soft_weight: float = 0.0
    temperature: float = 3.0
    tau_squared: bool = False
    deterministic: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        best_epoch: counted from 1; 0 is the network before any training.
        accuracy: share of the validation part, of the converted file of that epoch.
        val_loss: mean cross-entropy of that file's outputs there.
        trained_accuracy: share of the validation part, of the network that was converted.
        agreement: share of the validation part on which the two choose the same class.
        max_difference_steps: largest difference of an output between the two, in steps of the
            file's output; 0 for a float file.
        rebuilt_difference: largest difference of an output between Keras 3 and the rebuilt
            network, before anything else, as a share of the largest output.
        history: one row an epoch; "seconds" is what it took, the measuring included.
    """

    best_epoch: int
    accuracy: float
    val_loss: float
    trained_accuracy: float
    agreement: float
    max_difference_steps: float
    rebuilt_difference: float
    history: list[dict[str, float]] = field(default_factory=list)


def write_job(job: Job, folder: Path) -> None:
    """Writes job.json."""
    write_whole(folder / JOB, json.dumps(asdict(job), indent=1))


def read_job(folder: Path) -> Job:
    """Reads job.json."""
    plain = json.loads((folder / JOB).read_text())
    return Job(**plain | {"class_weights": tuple(plain["class_weights"])})


def read_outcome(folder: Path) -> Outcome:
    """Reads result.json."""
    return Outcome(**json.loads((folder / RESULT).read_text()))
