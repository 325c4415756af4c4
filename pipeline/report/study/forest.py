"""Means and differences with their intervals, one line an arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from hintlite.pipeline.report.figure import Picture, drawing, mark, name_lines, to_picture
from hintlite.pipeline.report.palette import INK, MUTED, RIGHT, WRONG, Look
from hintlite.pipeline.report.study.words import SIGNIFICANT
from hintlite.pipeline.runs.layout import FLOAT, INT8

APART = 0.14  # of the distance of two lines: float above, INT8 below
LINE, MARGIN = 34, 62  # pixels
Facts = Mapping[str, Any]


def means(facts: Facts) -> Picture | None:
    """The arms' mean test accuracies; None as long as there are none."""
    arms = [arm for arm in facts["arms"] if arm["n"]]
    if not arms:
        return None
    with drawing(height=MARGIN + LINE * len(arms)) as (figure, axes):
        for place, arm in enumerate(arms):
            for precision, shift in ((FLOAT, -APART), (INT8, APART)):
                if arm[precision]:
                    _bar(axes, place + shift, arm[precision], INK, precision == INT8)
        teachers = [each[FLOAT]["accuracy"] for each in facts["teachers"] if each[FLOAT]]
        if teachers:
            level = 100 * sum(teachers) / len(teachers)
            axes.axvline(level, color=MUTED, linestyle="--", linewidth=1.2)
            axes.annotate(
                "float teacher",
                (level, 1),
                xytext=(0, 2),
                textcoords="offset points",
                xycoords=("data", "axes fraction"),
                color=MUTED,
                ha="center",
            )
        name_lines(axes, [arm["name"] for arm in arms])
        axes.set_xlabel("test accuracy, %")
        description = f"{len(arms)} arms; {_best(arms)}. The table “Arms” has all values"
        return to_picture(figure, "study-means", "Mean test accuracy", description)


def _best(arms: Sequence[Facts]) -> str:
    quantized = [arm for arm in arms if arm[INT8]]
    if not quantized:
        return "none has an INT8 file"
    best = max(quantized, key=lambda arm: float(arm[INT8]["mean"]))
    return f"the highest INT8 mean is that of {best['name']}, {100 * best[INT8]['mean']:.2f} %"


def differences(facts: Facts, reference: str, anchor: str) -> Picture | None:
    """Every arm's difference to one reference; None if nothing is compared with it.

    Args:
        facts: of the study.
        reference: the arm that the others are compared with.
        anchor: prefix of the ids in the picture.
    """
    rows = {
        precision: {r["arm"]: r for r in found if r["reference"] == reference}
        for precision, found in facts["comparisons"].items()
    }
    arms = list(rows[INT8])
    if not arms:
        return None
    with drawing(height=MARGIN + LINE * len(arms)) as (figure, axes):
        axes.axvline(0, color=MUTED, linewidth=1.2)
        for place, arm in enumerate(arms):
            for precision, shift in ((FLOAT, -APART), (INT8, APART)):
                row = rows[precision][arm]
                _bar(axes, place + shift, row, _colour(row), precision == INT8)
        name_lines(axes, arms)
        axes.set_xlabel(f"points above {reference}")
        significant = [arm for arm in arms if rows[INT8][arm]["verdict"] == SIGNIFICANT]
        description = (
            f"{len(arms)} arms; in INT8 the difference is significant for: "
            f"{', '.join(significant) or 'none'}. The table “Differences” has all values"
        )
        return to_picture(figure, anchor, f"Difference to {reference}", description)


def _bar(axes: Axes, y: float, value: Mapping[str, Any], colour: str, filled: bool) -> None:
    """A mean, with its interval if there is one."""
    if value["low"] is not None:
        axes.plot([100 * value["low"], 100 * value["high"]], [y, y], color=colour, linewidth=1.4)
    mark(axes, 100 * value["mean"], y, Look(colour, "o"), filled)


def _colour(row: Mapping[str, Any]) -> str:
    if row["verdict"] != SIGNIFICANT:
        return MUTED
    return RIGHT if row["mean"] > 0 else WRONG
