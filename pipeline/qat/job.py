"""What the quantizer's process is asked and what it answers: files in one folder.

    job.json        the request, below
    network.json, network.npz       the network (pipeline.qat.blueprint)
    images.npy, labels.npy          raw samples [n, h, w, c] and their classes [n]
    train.npy, validation.npy, calibration.npy      rows of them
    teacher_logits.npy              [views, n, classes], only where soft targets are wanted

It answers with lines of JSON on its standard output (progress), with checkpoint.npz after each
epoch, and at the end with `model.tflite`, `float32.tflite` and result.json.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

JOB, RESULT, CHECKPOINT = "job.json", "result.json", "checkpoint.npz"
MODEL, FLOAT = "model.tflite", "float32.tflite"


@dataclass(frozen=True)
class Job:
    """A fine-tuning.

    Attributes:
        quantized: with fake quantization; False is the control, the float network trained as long.
        epochs: passes over the training part.
        learning_rate: at the start; decays to 0 on a cosine.
        batch_size: samples in a step.
        freeze_norm_after: epochs after which batch normalization keeps its statistics.
        seed: of order and augmentation.
        augmentation: arguments of `AugmentConfig`.
        normalization: {"mean": [...], "std": [...]}, raw values to the network's input.
        label_weight: of the cross-entropy with the labels.
        soft_weight: lambda, of the soft targets; 0 where there is no teacher.
        temperature: tau.
        tau_squared: multiply the soft term by tau^2.
        from_logits: whether the network ends in logits, not in a softmax.
    """

    quantized: bool
    epochs: int
    learning_rate: float
    batch_size: int
    freeze_norm_after: int
    seed: int
    augmentation: dict[str, Any]
    normalization: dict[str, Any]
    label_weight: float = 1.0
    soft_weight: float = 0.0
    temperature: float = 3.0
    tau_squared: bool = False
    from_logits: bool = True


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        best_epoch: counted from 1; 0 is the network before any training.
        accuracy: share of the validation part, of the converted file of that epoch.
        agreement: share of the validation part on which the trained network and its converted
            file choose the same class.
        max_difference_steps: largest difference of an output between the two, in steps of the
            file's output; 0 for a float file.
        history: one row an epoch.
        float_difference: largest difference of an output between Keras 3 and the rebuilt
            network, before anything else.
    """

    best_epoch: int
    accuracy: float
    agreement: float
    max_difference_steps: float
    float_difference: float
    history: list[dict[str, float]] = field(default_factory=list)


def write_job(job: Job, folder: Path) -> None:
    """Writes job.json."""
    (folder / JOB).write_text(json.dumps(asdict(job), indent=1))


def read_job(folder: Path) -> Job:
    """Reads job.json."""
    return Job(**json.loads((folder / JOB).read_text()))


def read_outcome(folder: Path) -> Outcome:
    """Reads result.json."""
    return Outcome(**json.loads((folder / RESULT).read_text()))
