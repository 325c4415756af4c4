"""What INT8 changes against float: samples won and lost, and the error of the logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.figure import Picture, mark, to_picture
from hintlite.pipeline.report.markup import figures, interval, join, numbers, table, words
from hintlite.pipeline.report.names import model_title, result_title
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.series import FILLED, is_filled, lines_of, model_look, per_run
from hintlite.pipeline.runs.layout import FLOAT, QUANTIZED, TEACHER, quantize_stage
from hintlite.pipeline.runs.reading import RunFiles

CHANGE = (
    *words("model"),
    *numbers(formats.count, "right in both", "lost", "won", "wrong in both"),
    *numbers(formats.signed_points, "change, points"),
    *numbers(formats.number, "p-value"),
    *numbers(formats.percent, "same class", "largest logit error"),
)
VERIFICATION = (
    *words("model"),
    *numbers(formats.count, "validation samples"),
    *numbers(formats.percent, "same class", "95 % interval", "Keras", "float file", "INT8 file"),
    *numbers(formats.number, "Keras to float file", "float to INT8, steps"),
    *words("within bounds"),
)
PERCENTILES = (50, 90, 99, 100)


def changes(run: RunFiles, predictions: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """What INT8 changes against float, one entry a model: test part, and verification."""
    found = []
    for model in run.models:
        names = [f"{model}:{FLOAT}", _deployed(predictions, model)]
        test = None
        if all(name in predictions for name in names):
            test = change(predictions["labels"], *(predictions[name] for name in names))
        verify = run.json(quantize_stage(model), "verify.json")
        if test or verify:
            found.append({"model": model, "test": test, "verify": verify})
    return found


def against_teacher(
    run: RunFiles, predictions: Mapping[str, np.ndarray]
) -> dict[str, dict[str, Any]]:
    """The deployed student's file beside each of the teacher's on the same test samples.

    Returns:
        Precision of the teacher's file -> `change` from it to the student's, without the logits,
        which two networks do not share; empty before the evaluation.
    """
    student = _deployed(predictions, run.chosen or "")
    if student not in predictions:
        return {}
    found = {}
    for precision in (FLOAT, *QUANTIZED):
        teacher = predictions.get(f"{TEACHER}:{precision}")
        if teacher is not None:
            both = change(predictions["labels"], teacher, predictions[student])
            found[precision] = {k: v for k, v in both.items() if k != "logit_error"}
    return found


def _deployed(predictions: Mapping[str, np.ndarray], model: str) -> str:
    """The name of the predictions of a model's file beside float."""
    names = [f"{model}:{precision}" for precision in QUANTIZED]
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
    from scipy.stats import binomtest

    return float(binomtest(lost, lost + won).pvalue) if lost + won else 1.0


def _logit_error(before: np.ndarray, after: np.ndarray) -> dict[str, float] | None:
    spread = float(np.ptp(before)) if before.size else 0.0
    if spread == 0 or not np.isfinite(spread):
        return None
    errors = np.percentile(np.abs(after - before), PERCENTILES) / spread
    return {f"p{p}": float(e) for p, e in zip(PERCENTILES, errors, strict=True)}


def render(reports: Sequence[Report]) -> Section | None:
    """Tables and pictures; None before the conversion."""
    content = per_run(reports, lambda place, report: _one(reports, place, report))
    note = (
        "Lost and won: test samples that are right in one file alone; the p-value is McNemar’s "  # noqa: RUF001
        "exact test of their numbers. Logit errors are shares of the range of all float logits. "
        "Verification compares on validation data before any test sample is seen: Keras to float "
        "file is the largest difference of a logit relative to their range, float to INT8 the "
        "largest in steps of the output’s scale."  # noqa: RUF001
    )
    return Section("quantization", "From float to INT8", content, note) if content else None


def _one(reports: Sequence[Report], place: int, report: Report) -> Markup | None:
    entries = report.facts["quantization"]
    tested = [entry for entry in entries if entry["test"]]
    verified = [entry for entry in entries if (entry["verify"] or {}).get("figures")]
    if not tested and not verified:
        return None
    accuracies = _accuracies(reports, place, report)
    errors = [e for e in tested if e["test"]["logit_error"]]
    return join(
        figures([accuracies, _logit_errors(reports, place, errors)]),
        table("The same test samples, float and quantized", CHANGE, [_change(e) for e in tested]),
        table("Verification on validation data", VERIFICATION, [_verified(e) for e in verified]),
    )


def _change(entry: dict[str, Any]) -> list[Any]:
    test = entry["test"]
    counts = [test[name] for name in ("both_right", "lost", "won", "both_wrong")]
    told = [test[name] for name in ("change", "p_value", "agreement")]
    return [model_title(entry["model"]), *counts, *told, (test["logit_error"] or {}).get("p100")]


def _verified(entry: dict[str, Any]) -> list[Any]:
    verify, found = entry["verify"], entry["verify"]["figures"]
    names = ("keras_accuracy", "float_accuracy", "int8_accuracy")
    return [
        *(model_title(entry["model"]), verify["samples"], found["agreement"]),
        interval(*found["agreement_interval"]),
        *(found[name] for name in (*names, "max_float_error", "max_int8_error_steps")),
        verify["ok"],
    ]


def _accuracies(reports: Sequence[Report], place: int, report: Report) -> Picture | None:
    """The accuracies of each model on a line of its own."""
    rows = [row for row in report.facts["rows"] if row["accuracy"] is not None]
    if not rows:
        return None
    with lines_of(rows) as (figure, axes, places):
        for row, y in zip(rows, places, strict=True):
            look = model_look(reports, row["model"])
            ends = [100 * row["low"], 100 * row["high"]]
            axes.plot(ends, [y, y], color=look.colour, linewidth=1.1, alpha=0.7)
            mark(axes, 100 * row["accuracy"], y, look, is_filled(row["precision"]))
        axes.set_xlabel("test accuracy, %")
        caption = f"Accuracy: {FILLED}, with 95 % intervals"
        values = "; ".join(
            f"{result_title(r['model'], r['precision'])} {100 * r['accuracy']:.2f}" for r in rows
        )
        return to_picture(figure, f"quantization-{place}-accuracy", caption, values)


def _logit_errors(
    reports: Sequence[Report], place: int, entries: list[dict[str, Any]]
) -> Picture | None:
    """Median, 90th and 99th percentile and maximum of each model's logit error."""
    if not entries:
        return None
    with lines_of(entries) as (figure, axes, places):
        for line, entry in zip(places, entries, strict=True):
            values = [100 * entry["test"]["logit_error"][f"p{p}"] for p in PERCENTILES]
            look = model_look(reports, entry["model"])
            axes.plot([values[0], values[-1]], [line, line], color=look.colour, linewidth=1.1)
            mark(axes, values[0], line, look, filled=True)
            for value in values[1:]:
                axes.plot([value], [line], marker="|", color=look.colour, markersize=9)
        axes.set_xlim(left=0)
        axes.set_xlabel("logit error, % of the range of the float logits")
        caption = "Error of the logits: median, then 90 %, 99 % and largest"
        largest = "; ".join(
            f"{model_title(e['model'])} at most {formats.percent(e['test']['logit_error']['p100'])}"
            for e in entries
        )
        return to_picture(figure, f"quantization-{place}-logits", caption, largest)
