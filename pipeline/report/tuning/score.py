"""What the trials of a tuning are scored by, in words: the figure that `training.choose_by` names.

A score is larger where a trial is better: a share of 1, or a loss with its sign changed.
"""

from __future__ import annotations

TITLES = {
    "accuracy": "validation accuracy",
    "balanced_accuracy": "validation balanced accuracy",
    "f1": "validation macro F1",
    "loss": "validation cross-entropy",
}
LOSS = "loss"


def plotted(score: float, chosen_by: str) -> float:
    """A score as its axis has it: in percent, or the loss itself."""
    return -score if chosen_by == LOSS else 100 * score


def unit(chosen_by: str) -> str:
    """What stands behind the title of that axis."""
    return "" if chosen_by == LOSS else ", %"


def shown(score: float, chosen_by: str) -> str:
    """A score: 92.41 %, or the loss 0.2314."""
    value = plotted(score, chosen_by)
    return f"{value:.4f}" if chosen_by == LOSS else f"{value:.2f} %"


def gained(score: float, base: float, chosen_by: str) -> str:
    """How much better a score is than another one: "0.42 points above", "0.0113 below"."""
    if chosen_by == LOSS:
        return f"{score - base:.4f} below"
    return f"{100 * (score - base):.2f} points above"
