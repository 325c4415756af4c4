"""The files for a phone: one network in several precisions, its labels, and how to feed it.

`phone.json` says in plain words what an app must do: which signature to call, how raw pixels become
its input, what its output means, and what each file is worth on validation data. The same contents
give the same bytes: it holds no date and no path.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.bundle.contents import check_ends, check_names
from hintlite.deploy.bundle.manifest import LABELS, BundleError, normalization_entry
from hintlite.deploy.convert.verify import wilson_interval
from hintlite.deploy.interpret.runtime import Progress, Runner, Samples
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import Array, ModelError, Tensor
from hintlite.deploy.tflite.inspect import inspect

FORMAT = "hintlite-phone"
VERSION = 1
PHONE = "phone.json"
SIGNATURE = "serving_default"
INPUT, OUTPUT = "input", "logits"
FORMULA = "input = (raw - mean) / std, in float32, per channel"
QUANTIZED = "stored = clip(round(real / scale) + zero_point), halves away from zero"
MEANING = "logits; softmax over the last axis gives probabilities, the largest is the label"


@dataclass(frozen=True)
class Fit:
    """What a file is worth beside the float32 file, on validation data.

    Attributes:
        samples: how many.
        kernels: that both files ran on.
        agreement: share of samples with the same arg-max in both.
        agreement_low, agreement_high: its 95 % Wilson interval.
        accuracy: share of samples that this file classifies rightly.
        float32_accuracy: the same of the float32 file.
        max_error: largest difference of a logit.
        max_error_of_range: the same as a share of the range of the float32 file's logits.
    """

    samples: int
    kernels: str
    agreement: float
    agreement_low: float
    agreement_high: float
    accuracy: float
    float32_accuracy: float
    max_error: float
    max_error_of_range: float


def fit_of(logits: Array, float_logits: Array, labels: NDArray[Any], kernels: str) -> Fit:
    """Compares two files' outputs.

    Args:
        logits: [n, classes] float32, of the file.
        float_logits: [n, classes] float32, of the float32 file.
        labels: [n] class indices.
        kernels: that gave them.
    """
    same = int(np.sum(logits.argmax(axis=1) == float_logits.argmax(axis=1)))
    low, high = wilson_interval(same, len(labels))
    error = float(np.max(np.abs(logits - float_logits)))
    spread = float(np.max(float_logits) - np.min(float_logits))
    return Fit(
        samples=len(labels),
        kernels=kernels,
        agreement=same / len(labels),
        agreement_low=low,
        agreement_high=high,
        accuracy=float(np.mean(logits.argmax(axis=1) == labels)),
        float32_accuracy=float(np.mean(float_logits.argmax(axis=1) == labels)),
        max_error=error,
        max_error_of_range=error / max(spread, 1e-12),
    )


def fits(
    models: Mapping[str, bytes],
    float_model: bytes,
    samples: Samples,
    labels: NDArray[Any],
    *,
    kernels: str = "xnnpack",
    progress: Progress | None = None,
) -> dict[str, Fit]:
    """Runs every file and the float32 file on validation data.

    Args:
        models: file name -> bytes.
        float_model: the bytes of the float32 file.
        samples: [n, h, w, c] float32, n >= 1, normalised as in training.
        labels: [n] class indices.
        kernels: see `Runner`.
        progress: called with (files done, files in all).

    Raises:
        ModelError: a file that the kernels cannot run.
    """
    expected = Runner(float_model, kernels).predict(samples)
    found = {}
    for done, (name, content) in enumerate(models.items(), start=1):
        logits = Runner(content, kernels).predict(samples)
        found[name] = fit_of(logits, expected, labels, kernels)
        if progress:
            progress(done, len(models))
    return found


def phone_files(
    models: Mapping[str, bytes],
    *,
    conversions: Mapping[str, str],
    labels: Sequence[str],
    input_shape: tuple[int, ...],
    normalization: Mapping[str, Any],
    validation: Mapping[str, Fit],
    provenance: Mapping[str, Any],
) -> dict[str, bytes]:
    """All files of the folder for a phone.

    Args:
        models: file name -> bytes, [1, h, w, c] -> [1, classes], each with the signature
            `serving_default`: `input` -> `logits`.
        conversions: file name -> how it was converted: "float16", "dynamic_range" or "int8". A
            small network's dynamic-range file may hold float weights alone.
        labels: the classes' names, in the order of the outputs.
        input_shape: (h, w, c), (time, c) or (c,).
        normalization: "mean", "std" (c numbers each, raw units), "raw_dtype", "raw_max".
        validation: file name -> its figures.
        provenance: anything JSON can hold.

    Returns:
        File name -> content: the models, labels.txt and phone.json.

    Raises:
        BundleError: names, shapes or signatures that do not fit together.
        ModelError: a model that is damaged.
    """
    check_names(models, labels)
    for name, content in models.items():
        check_ends(name, Runner(content), input_shape, len(labels))
    description = {
        "format": FORMAT,
        "version": VERSION,
        "task": {
            "labels": list(labels),
            "input_shape": list(input_shape),
            "layout": "NHWC, rows from top to bottom, batch 1",
            "output": MEANING,
        },
        "normalization": {
            "formula": FORMULA,
            **normalization_entry(normalization),
            "quantization": QUANTIZED,
        },
        "models": {
            name: {
                "conversion": conversions[name],
                **_entry(name, models[name]),
                "validation": asdict(validation[name]),
            }
            for name in sorted(models)
        },
        "provenance": dict(provenance),
    }
    text = json.dumps(description, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    lines = "".join(f"{label}\n" for label in labels)
    return {**models, LABELS: lines.encode(), PHONE: f"{text}\n".encode()}


def _entry(name: str, content: bytes) -> dict[str, Any]:
    info = inspect(content)
    return {
        "precision": info.precision,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "signature": _signature(name, content),
        "operators": dict(info.operator_counts),
    }


def _signature(name: str, content: bytes) -> dict[str, Any]:
    """The one signature that an app calls, with the types of its ends."""
    model = read_model(content)
    found = {signature.key: signature for signature in model.signatures}
    signature = found.get(SIGNATURE)
    ends = signature and (list(signature.inputs), list(signature.outputs))
    if signature is None or ends != ([INPUT], [OUTPUT]):
        raise BundleError(
            f"{name} has the signatures {sorted(found) or 'none'}; expected {SIGNATURE!r} from "
            f"{INPUT!r} to {OUTPUT!r}: convert the network with hintlite."
        )
    tensors = model.main.tensors
    return {
        "key": SIGNATURE,
        "input": {"name": INPUT, **_end(tensors[signature.inputs[INPUT]])},
        "output": {"name": OUTPUT, **_end(tensors[signature.outputs[OUTPUT]])},
    }


def _end(tensor: Tensor) -> dict[str, Any]:
    scales = tensor.quantization
    if not tensor.shape:
        raise ModelError(f"The tensor '{tensor.name}' has no shape.")
    return {
        "dtype": tensor.dtype.lower(),
        "shape": list(tensor.shape),
        "scale": scales.scales[0] if scales else None,
        "zero_point": scales.zero_points[0] if scales else None,
    }
