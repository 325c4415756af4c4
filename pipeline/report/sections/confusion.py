"""Who is taken for whom: confusion matrices, and the accuracy of each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.confusion_picture import draw, is_small
from hintlite.pipeline.report.facts.table import INT8
from hintlite.pipeline.report.markup import (
    Cell,
    Column,
    beside,
    cell,
    details,
    figures,
    join,
    paragraph,
    table,
)
from hintlite.pipeline.report.names import result_title
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.series import per_run
from hintlite.pipeline.runs.layout import TEACHER

MOST = 12  # of the confusions that are listed
UNFOLDED = 20  # more classes than this are folded away


def render(reports: Sequence[Report]) -> Section | None:
    """Matrices of the teacher and the chosen student; None before the evaluation."""
    content = per_run(reports, _one)
    note = (
        "Teacher and deployed student on the test part. A row is the true class, a column the "
        "chosen one; the depth of a colour is the share of the row (of the errors, its root, so "
        "that few are seen). Blue with a line below: right, orange: wrong."
    )
    return Section("confusion", "Confusions", content, note) if content else None


def _one(place: int, report: Report) -> Markup | None:
    matrices = report.facts["confusion"]
    if not matrices:
        return None
    names = class_names(report.facts, len(matrices[0]["counts"]))
    pictures = [draw(f"confusion-{place}-{i}", entry, names) for i, entry in enumerate(matrices)]
    classes = _class_table(report.facts, names)
    frequent = _most_frequent(_deployed(matrices), names)
    shown = figures(pictures, "small" if is_small(names) else "pairs")
    if len(names) <= UNFOLDED:
        return join(shown, beside(classes, frequent))
    return join(shown, frequent, details("Accuracy of each class", classes))


def class_names(facts: dict[str, Any], count: int) -> list[str]:
    """The labels; numbers if they are not known."""
    names = (facts["data"] or {}).get("class_names") or []
    return [str(name) for name in names] if len(names) == count else [str(i) for i in range(count)]


def _deployed(matrices: list[dict[str, Any]]) -> dict[str, Any]:
    """The matrix of the chosen student in INT8, or the last there is."""
    students = [each for each in matrices if each["model"] != TEACHER]
    return next((each for each in students if each["precision"] == INT8), matrices[-1])


def _most_frequent(entry: dict[str, Any], names: list[str]) -> Markup:
    counts = np.asarray(entry["counts"])
    title = result_title(entry["model"], entry["precision"])
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST]
    rows = []
    for true, chosen in zip(*np.unravel_index(order, wrong.shape), strict=True):
        times, samples = int(wrong[true, chosen]), int(counts[true].sum())
        if times:
            share = times / samples
            rows.append(
                [
                    cell(names[true]),
                    cell(names[chosen]),
                    cell(formats.count(times), times),
                    cell(formats.percent(share), share),
                ]
            )
    if not rows:
        return paragraph(f"{title}: no test sample is classified wrongly.")
    columns = (
        Column("true class", number=False),
        Column("taken for", number=False),
        Column("times"),
        Column("share of the class"),
    )
    return table(f"Most frequent confusions of {title}", columns, rows)


def _class_table(facts: dict[str, Any], names: list[str]) -> Markup:
    files = [(each["model"], each["precision"]) for each in facts["confusion"]]
    columns = [Column("class", number=False), Column("samples")]
    columns += [Column(result_title(*file)) for file in files]
    rows = [_class_row(entry, names[entry["class"]], files) for entry in facts["per_class"]]
    return table("Accuracy of each class", columns, rows)


def _class_row(entry: dict[str, Any], name: str, files: list[tuple[str, str]]) -> list[Cell]:
    cells = [cell(name), cell(formats.count(entry["samples"]), entry["samples"])]
    for model, precision in files:
        correct = entry["correct"][f"{model}:{precision}"]
        share = correct / entry["samples"] if entry["samples"] else None
        cells.append(cell(formats.percent(share, 1), share))
    return cells
