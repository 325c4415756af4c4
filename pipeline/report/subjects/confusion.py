"""Confusion matrices, and recall and precision of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from markupsafe import Markup

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.confusion_picture import draw, is_small
from hintlite.pipeline.report.markup import (
    beside,
    details,
    figures,
    join,
    numbers,
    paragraph,
    table,
    words,
)
from hintlite.pipeline.report.names import class_names, result_title
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.series import per_run
from hintlite.pipeline.runs.layout import FLOAT, QUANTIZED, TEACHER
from hintlite.pipeline.runs.reading import RunFiles
from hintlite.pipeline.tasks.classification import confusion, guessing, is_uneven, scores_of

MOST = 12  # of the confusions that are listed
UNFOLDED = 20  # more classes than this are folded away
FREQUENT = (*words("true class", "predicted as"), *numbers(formats.count, "count"))
FREQUENT += numbers(formats.percent, "share of the class")

Entry = dict[str, Any]


def scores(predictions: Mapping[str, np.ndarray]) -> dict[str, Entry]:
    """ "<model>:<precision>" -> the fields of `Scores` and at_chance, of each file.

    Args:
        predictions: "labels" `[n]`, and "<model>:<precision>" -> logits `[n, classes]`.
    """
    names = [name for name in predictions if ":" in name]
    found = {name: scores_of(_counts(predictions, name)) for name in names}
    return {
        name: asdict(each) | {"at_chance": guessing(each).at_chance} for name, each in found.items()
    }


def matrices(run: RunFiles, predictions: Mapping[str, np.ndarray]) -> list[Entry]:
    """Confusion matrices of the teacher and the chosen student, float and deployed.

    Returns:
        One entry a file: model, precision, counts `[true class][chosen class]`.
    """
    names = [(m, p) for m in (TEACHER, run.chosen) for p in (FLOAT, *QUANTIZED)]
    return [
        {"model": m, "precision": p, "counts": _counts(predictions, f"{m}:{p}").tolist()}
        for m, p in names
        if f"{m}:{p}" in predictions
    ]


def _counts(predictions: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    logits = predictions[name]
    return confusion(predictions["labels"], logits.argmax(axis=1), logits.shape[1])


def are_uneven(facts: Mapping[str, Any]) -> bool:
    """Whether the classes of the test part are so uneven that plain accuracy misleads."""
    return is_uneven(next((each["support"] for each in facts["scores"].values()), ()))


def render(reports: Sequence[Report]) -> Section | None:
    """Matrices of the teacher and the chosen student; None before the evaluation."""
    content = per_run(reports, _one)
    note = (
        "Teacher and deployed student on the test part. Rows are true classes, columns "
        "predicted ones; the depth of a colour is the share of the row (of the errors, its root, "
        "so that few are seen). Blue with a line below: right, orange: wrong. Recall is the share "
        "of a class that is found, precision the share of the predictions of it that are right."
    )
    return Section("confusion", "Confusions", content, note) if content else None


def _one(place: int, report: Report) -> Markup | None:
    found = report.facts["confusion"]
    if not found:
        return None
    names = class_names(report.facts, len(found[0]["counts"]))
    pictures = [draw(f"confusion-{place}-{i}", entry, names) for i, entry in enumerate(found)]
    classes = _class_table(report.facts, names)
    frequent = _most_frequent(found[-1], names)  # the deployed file
    shown = figures(pictures, "small" if is_small(names) else "pairs")
    if len(names) <= UNFOLDED:
        return join(shown, beside(classes, frequent))
    return join(shown, frequent, details("Recall and precision of each class", classes))


def _most_frequent(entry: Entry, names: Sequence[str]) -> Markup:
    counts = np.asarray(entry["counts"])
    title = result_title(entry["model"], entry["precision"])
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST]
    rows = [
        [names[true], names[chosen], times, times / int(counts[true].sum())]
        for true, chosen in zip(*np.unravel_index(order, wrong.shape), strict=True)
        if (times := int(wrong[true, chosen]))
    ]
    if not rows:
        return paragraph(f"{title}: all test samples are classified correctly.")
    return table(f"Most frequent confusions of {title}", FREQUENT, rows)


def _class_table(facts: dict[str, Any], names: Sequence[str]) -> Markup:
    """Of the float teacher and the deployed student, the first and the last matrix."""
    ends = facts["confusion"][:: max(len(facts["confusion"]) - 1, 1)]
    files = [(each["model"], each["precision"]) for each in ends]
    found = [facts["scores"][f"{model}:{precision}"] for model, precision in files]
    columns = [*words("class"), *numbers(formats.count, "samples")]
    for file in files:
        columns += numbers(formats.tenths, f"{result_title(*file)}: recall", "precision")
    rows = [
        [name, found[0]["support"][i], *(f[kind][i] for f in found for kind in KINDS)]
        for i, name in enumerate(names)
    ]
    return table("Recall and precision of each class", columns, rows)


KINDS = ("recall", "precision")
