"""Methods of distillation with settings of their own, for `hintlite.distill(method=...)`."""

from hintlite.pipeline.app.python.methods import (
    CRD,
    FSP,
    KD,
    Attention,
    Hint,
    HintLabels,
    JointHint,
    OutputOnly,
    RandomHint,
    ReviewKD,
    Scratch,
    Sum,
)

__all__ = [
    "CRD",
    "FSP",
    "KD",
    "Attention",
    "Hint",
    "HintLabels",
    "JointHint",
    "OutputOnly",
    "RandomHint",
    "ReviewKD",
    "Scratch",
    "Sum",
]
