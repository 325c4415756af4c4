"""How the trials went one after the other, and which settings mattered."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from matplotlib.ticker import MaxNLocator

from hintlite.pipeline.report.figure import Picture, bars, drawing, mark, to_picture
from hintlite.pipeline.report.palette import INK, MUTED, RIGHT, Look
from hintlite.pipeline.report.tuning.score import TITLES, plotted, shown, unit

COMPLETE, PRUNED = "complete", "pruned"
Facts = Mapping[str, Any]


def history(facts: Facts) -> Picture | None:
    """Every trial's score and the best so far; None as long as no trial is complete."""
    by = facts["chosen_by"]
    complete = [(t["number"], t["value"]) for t in facts["trials"] if t["state"] == COMPLETE]
    pruned = [(t["number"], t["last"]) for t in facts["trials"] if t["state"] == PRUNED]
    if not complete:
        return None
    with drawing() as (figure, axes):
        numbers, values = zip(*complete, strict=True)
        highest = [plotted(value, by) for value in accumulate(values, max)]
        axes.step(numbers, highest, where="post", color=RIGHT)
        for number, value in complete:
            mark(axes, number, plotted(value, by), Look(INK, "o"), filled=True)
        for number, value in pruned:
            mark(axes, number, plotted(value, by), Look(MUTED, "o"), filled=False)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("trial")
        axes.set_ylabel(f"{TITLES[by]}{unit(by)}")
        description = (
            f"{len(complete)} complete trials; the best is trial {facts['best']['number']} with "
            f"{shown(facts['best']['value'], by)}. The table “Every trial” has all values"
        )
        return to_picture(figure, "tuning-history", "Trials in their order", description)


def importance(facts: Facts) -> Picture | None:
    """The settings' shares of the variance; None where too few trials are complete."""
    shares = facts["importance"]
    if shares is None:
        return None
    described = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items())
    return bars(
        "tuning-importance",
        "Importance of the settings",
        {name: 100 * share for name, share in shares.items()},
        RIGHT,
        "share of the variance, %",
        described,
    )
