"""From the predictions on the test part: who is taken for whom, and what INT8 changes."""

from __future__ import annotations

from collections.abc import Mapping
from math import comb
from typing import Any

import numpy as np

from hintlite.pipeline.report.facts.choice import chosen_arm
from hintlite.pipeline.report.facts.table import DEPLOYED, FLOAT
from hintlite.pipeline.runs.layout import TEACHER
from hintlite.pipeline.runs.reading import RunFiles

PERCENTILES = (50, 90, 99, 100)


def confusion(run: RunFiles, predictions: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Confusion matrices of the teacher and the chosen student, float and INT8.

    Returns:
        One entry a file: model, precision, and counts `[true class][chosen class]`.
    """
    return [
        {
            "model": model,
            "precision": precision,
            "counts": matrix(predictions["labels"], predictions[f"{model}:{precision}"]).tolist(),
        }
        for model in (TEACHER, chosen_arm(run))
        for precision in (FLOAT, *DEPLOYED)
        if f"{model}:{precision}" in predictions
    ]


def matrix(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Counts `[classes, classes]`, int64: row = true class, column = chosen class.

    Args:
        labels: int64 `[n]`.
        logits: `[n, classes]`.
    """
    classes = logits.shape[1]
    pairs = labels * classes + logits.argmax(axis=1)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def per_class(matrices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each class: its samples, and how many each file gets right."""
    if not matrices:
        return []
    counts = [np.asarray(entry["counts"]) for entry in matrices]
    names = [f"{entry['model']}:{entry['precision']}" for entry in matrices]
    return [
        {
            "class": index,
            "samples": int(counts[0][index].sum()),
            "correct": {n: int(c[index, index]) for n, c in zip(names, counts, strict=True)},
        }
        for index in range(len(counts[0]))
    ]


def quantization(run: RunFiles, predictions: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """What INT8 changes against float, one entry a model: test part, and verification."""
    changes = []
    for model in run.models:
        names = [f"{model}:{FLOAT}", _deployed(predictions, model)]
        test = None
        if all(name in predictions for name in names):
            test = change(predictions["labels"], *(predictions[name] for name in names))
        verify = run.json(f"quantize/{model}", "verify.json")
        if test or verify:
            changes.append({"model": model, "test": test, "verify": verify})
    return changes


def _deployed(predictions: Mapping[str, np.ndarray], model: str) -> str:
    """The name of the predictions of a model's file beside float."""
    names = [f"{model}:{precision}" for precision in DEPLOYED]
    return next((name for name in names if name in predictions), names[0])


def change(labels: np.ndarray, before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    """The same samples under two files: McNemar's table and the error of the logits.

    Args:
        labels: int64 `[n]`.
        before: float logits `[n, classes]`.
        after: INT8 logits `[n, classes]`, as real numbers.

    Returns:
        both_right, lost (right in float alone), won (right in INT8 alone), both_wrong; total;
        change (of the accuracy); p_value; agreement (share of equal choices); logit_error, the
        percentiles 50, 90, 99 and 100 of |after - before| as shares of the range of `before`.
    """
    right, right_after = (each.argmax(axis=1) == labels for each in (before, after))
    lost, won = int((right & ~right_after).sum()), int((~right & right_after).sum())
    return {
        "both_right": int((right & right_after).sum()),
        "lost": lost,
        "won": won,
        "both_wrong": int((~right & ~right_after).sum()),
        "total": len(labels),
        "change": (won - lost) / len(labels),
        "p_value": mcnemar(lost, won),
        "agreement": float((before.argmax(axis=1) == after.argmax(axis=1)).mean()),
        "logit_error": _logit_error(before, after),
    }


def mcnemar(lost: int, won: int) -> float:
    """Two-sided exact p-value of McNemar's test (Psychometrika 12, 1947): binomial with p = 1/2."""
    n = lost + won
    tail = sum(comb(n, k) for k in range(min(lost, won) + 1))
    return min(1.0, 2 * tail / 2**n)


def _logit_error(before: np.ndarray, after: np.ndarray) -> dict[str, float] | None:
    spread = float(np.ptp(before)) if before.size else 0.0
    if spread == 0 or not np.isfinite(spread):
        return None
    errors = np.percentile(np.abs(after - before), PERCENTILES) / spread
    return {f"p{p}": float(e) for p, e in zip(PERCENTILES, errors, strict=True)}
