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
    __getattr__,  # noqa: F401 - the class of any other method of METHODS
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
