"""What may become a bundle: names, labels, samples and models that fit together."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.bundle.manifest import (
    BENCH_SCRIPT,
    LABELS,
    PREDICT_SCRIPT,
    RAW_DTYPES,
    SAMPLES,
    VALUES_SCRIPT,
    BundleError,
    is_plain_name,
)
from hintlite.deploy.interpret.runtime import Runner
from hintlite.deploy.tflite.graph import Array

# Control characters, surrogates, and the line and paragraph separators.
_NO_LABEL = {"Cc", "Cs", "Zl", "Zp"}


def check_names(models: Mapping[str, bytes], labels: Sequence[str]) -> None:
    """Refuse model names with a folder in them, and labels that `labels.txt` cannot hold.

    Args:
        models: by file name.
        labels: the classes' names.

    Raises:
        BundleError: names the name or label.
    """
    for name in models:
        own = {LABELS, SAMPLES, BENCH_SCRIPT, PREDICT_SCRIPT, VALUES_SCRIPT}
        if not is_plain_name(name) or name in own:
            raise BundleError(
                f"The model name {name!r} must be a plain file name of letters, digits, '.', '-' "
                "and '_', and none of the bundle's own names."
            )
    for label in labels:
        if not label or any(unicodedata.category(char) in _NO_LABEL for char in label):
            raise BundleError(
                f"The label {label!r} is empty or holds a line break or control character; "
                f"{LABELS} has one label a line: rename the class."
            )


def check_samples(
    raw: Array,
    labels: NDArray[Any],
    input_shape: tuple[int, ...],
    classes: int,
    normalization: Mapping[str, Any],
) -> None:
    """Refuse samples that the device's script would misread.

    Args:
        raw: [k, ...].
        labels: [k] class indices.
        input_shape: (h, w, c), (time, c) or (c,).
        classes: number of labels.
        normalization: with the key "raw_dtype".

    Raises:
        BundleError: another type or shape, no sample, or a label out of range.
    """
    check_raw(raw, input_shape, normalization)
    if labels.shape != raw.shape[:1]:
        raise BundleError(
            f"Expected one label a sample, got samples {list(raw.shape)} and labels "
            f"{list(labels.shape)}."
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise BundleError(
            f"Sample labels must lie between 0 and {classes - 1} for {classes} classes, got "
            f"{labels.min()} to {labels.max()}."
        )


def check_raw(raw: Array, shape: tuple[int, ...], normalization: Mapping[str, Any]) -> None:
    """Refuse samples of one input that the device's script would misread.

    Args:
        raw: [k, ...].
        shape: of one sample.
        normalization: with the key "raw_dtype".

    Raises:
        BundleError: another type or shape, or no sample.
    """
    kind = normalization.get("raw_dtype")
    if kind not in RAW_DTYPES or raw.dtype != np.dtype(kind):
        raise BundleError(
            f"Samples must be of the normalization's raw_dtype, one of {', '.join(RAW_DTYPES)}; "
            f"got samples of {raw.dtype} and raw_dtype {kind!r}."
        )
    if raw.shape[1:] != tuple(shape) or len(raw) == 0:
        raise BundleError(
            f"Expected at least 1 sample of shape {list(shape)}, got samples {list(raw.shape)}."
        )


def check_ends(name: str, runner: Runner, input_shape: tuple[int, ...], outputs: int) -> None:
    """Refuse a model of other input or output sizes than the task.

    Args:
        name: for the message.
        runner: the loaded model.
        input_shape: (h, w, c), (time, c) or (c,).
        outputs: number of labels, or 1 where one output tells two apart.

    Raises:
        BundleError: sizes that do not fit.
    """
    found = (runner.input.shape[1:], runner.output.shape[1:])
    if found != (tuple(input_shape), (outputs,)):
        raise BundleError(
            f"{name} maps {list(found[0])} to {list(found[1])}; expected {list(input_shape)} to "
            f"[{outputs}], one output a label."
        )
