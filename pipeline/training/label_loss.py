"""A caller's own loss on the labels, in any form that Keras knows, as `[batch]` losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from hintlite.pipeline.methods.base import Tensor

LabelLoss = Callable[[Tensor, Tensor], Tensor]


def label_loss(loss: Any) -> LabelLoss:
    """(labels, outputs) -> one loss a sample, so that class and sample weights weigh samples.

    Args:
        loss: a `keras.losses.Loss`, whose reduction is not used, its name, or a function
            (labels, outputs) of `[batch]` losses or more numbers a sample, which are averaged.
    """
    found = keras.losses.get(loss)
    compute = found.call if isinstance(found, keras.losses.Loss) else found

    def losses(labels: Tensor, outputs: Tensor) -> Tensor:
        each = ops.cast(compute(labels, outputs), "float32")
        if len(each.shape) > 1:
            each = ops.mean(ops.reshape(each, (ops.shape(each)[0], -1)), axis=1)
        # A function of one number a batch gives that to each of its samples.
        return each + ops.zeros(ops.shape(outputs)[:1])

    return losses


def class_indices(labels: Tensor) -> Tensor:
    """Class indices `[batch]`, of labels that are indices already, `[batch, 1]` or one-hot."""
    if len(labels.shape) < 2:
        return labels
    if labels.shape[-1] == 1:
        return ops.squeeze(labels, axis=-1)
    return ops.argmax(labels, axis=-1)
