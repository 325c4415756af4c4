"""The quantizer's process: reads a job's folder, fine-tunes, leaves a file and figures there.

What turns a network into a file and what judges a file are handed in (see pipeline.app.qat_worker):
this package knows neither converter nor interpreter.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from pipeline.config import AugmentConfig
from pipeline.data.batches import steps_per_epoch, training_batches
from pipeline.data.normalization import Normalization
from pipeline.data.training_data import TrainingData
from pipeline.qat import blueprint as plans
from pipeline.qat.annotate import with_fake_quantization
from pipeline.qat.blueprint import Array, CarryError
from pipeline.qat.fit_rules import suited
from pipeline.qat.finetune import FineTuning
from pipeline.qat.job import CHECKPOINT, FLOAT, MODEL, RESULT, Job, Outcome, read_job
from pipeline.qat.ranges import start_ranges
from pipeline.qat.rebuild import rebuild

SAME = 1e-5  # largest difference between Keras 3 and the rebuilt network, relative to its outputs


@dataclass(frozen=True)
class Tools:
    """What the process is handed.

    Attributes:
        to_int8: a `tf_keras` model with fake quantization -> bytes of a full-INT8 file.
        to_float: a `tf_keras` model -> bytes of a float file.
        predict: (bytes, samples [n, h, w, c]) -> real outputs [n, classes].
        step: bytes -> one step of the file's output; None for a float file.
    """

    to_int8: Callable[[Any], bytes]
    to_float: Callable[[Any], bytes]
    predict: Callable[[bytes, Array], Array]
    step: Callable[[bytes], float | None]
