"""Balanced accuracy and macro F1 of a validation pass, from one confusion matrix."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Tensor = Any


class ClassScores(keras.metrics.Metric):
    """Counts which class is taken for which, a batch at a time.

    `result` is that of `hintlite.pipeline.tasks.classification.scores_of`, float32.

    Args:
        classes: how many there are.
    """

    def __init__(self, classes: int) -> None:
        super().__init__(name="class_scores", dtype="float32")
        self.classes = classes
        self.matrix = self.add_variable((classes, classes), "zeros", name="matrix")

    def update_state(self, labels: Tensor, logits: Tensor, sample_weight: Any = None) -> None:
        """Adds labels `[batch]` and logits `[batch, classes]`; weights are left out of account."""
        del sample_weight
        true = ops.one_hot(ops.cast(labels, "int32"), self.classes, dtype="float32")
        chosen = ops.one_hot(ops.argmax(logits, axis=-1), self.classes, dtype="float32")
        self.matrix.assign_add(ops.matmul(ops.transpose(true), chosen))

    def result(self) -> dict[str, Tensor]:
        """`balanced_accuracy` and `macro_f1`, scalars."""
        matrix = ops.convert_to_tensor(self.matrix)
        right = ops.diagonal(matrix)
        support, choices = ops.sum(matrix, axis=1), ops.sum(matrix, axis=0)
        return {
            "balanced_accuracy": _mean_share(right, support),
            "macro_f1": _mean_share(2 * right, support + choices),
        }


def _mean_share(counts: Tensor, totals: Tensor) -> Tensor:
    """The mean of the shares that are defined; 0 where none is."""
    defined = ops.cast(totals > 0, "float32")
    shares = counts / ops.maximum(totals, 1.0)
    return ops.sum(shares * defined) / ops.maximum(ops.sum(defined), 1.0)
