"""Any `keras.distillation.DistillationLoss` as a method."""

from __future__ import annotations

from typing import Any

import keras
from keras import distillation, ops, tree

from hintlite.pipeline.methods.base import (
    Batch,
    Method,
    MethodError,
    Phase,
    Schedule,
    Shapes,
    Tensor,
    Term,
)


class KerasLoss(Method):
    """`H(y, P_S) + weight * loss.compute_loss(teacher's tap, student's tap)`, one task phase.

        KerasLoss(LogitsDistillation(temperature=4.0, loss=keras.losses.KLDivergence()))
        KerasLoss(FeatureDistillation(loss="mse"), teacher_tap="stage2", student_tap="stage2")

    The student still runs once a step, and layers that the loss keeps as attributes are trained
    (keras.distillation does neither, see its Distiller). What cannot be mended from here: a Keras
    loss is one number a batch, so that class and sample weights weigh its batches and not its
    samples, and it sees neither labels nor sample indices.
    Learnable: the student and the loss's layers. Left behind: those layers.

    Args:
        loss: the loss; its layers, if it has any, are attributes of it (lists and dicts too).
        weight: beside the labels' cross-entropy.
        teacher_tap: "logits" or a feature map; by default the loss's own `teacher_layer_name`.
        student_tap: likewise; FeatureDistillation names layers, here they are names of taps.
        name: appears in the history; two of these in one Sum need different ones.

    Raises:
        MethodError: a loss that Keras would compute, but not as its name says.
    """

    def __init__(
        self,
        loss: distillation.DistillationLoss,
        weight: float | Schedule = 1.0,
        teacher_tap: str | None = None,
        student_tap: str | None = None,
        name: str = "keras_loss",
    ) -> None:
        self.loss, self.weight, self.name = loss, weight, name
        self.teacher_tap = teacher_tap or getattr(loss, "teacher_layer_name", None) or "logits"
        self.student_tap = student_tap or getattr(loss, "student_layer_name", None) or "logits"
        self.extras: tuple[keras.layers.Layer, ...] = ()
        _check_divergence(loss)

    def build(self, teacher_taps: Shapes, student_taps: Shapes, n_samples: int) -> None:
        """Computes the loss once, on zeros, so that its layers get their variables.

        Raises:
            MethodError: an unknown tap, or shapes that the loss cannot compare.
        """
        del n_samples
        teacher = _shape("teacher", self.teacher_tap, teacher_taps)
        student = _shape("student", self.student_tap, student_taps)
        if type(self.loss) in _ELEMENTWISE and teacher != student:
            raise MethodError(
                f"{type(self.loss).__name__} compares element by element, but the teacher's "
                f"{self.teacher_tap} is {teacher} and the student's {self.student_tap} {student}: "
                "take `hint`, which has a regressor, or a loss with a projection of its own"
            )
        zeros = ops.zeros((1, *teacher)), ops.zeros((1, *student))
        try:
            self.loss.validate_outputs(*zeros)
            self.loss.compute_loss(*zeros)
        except (ValueError, TypeError, AttributeError) as error:  # the last: a slip in Keras 3.15
            raise MethodError(
                f"{type(self.loss).__name__} cannot compare the teacher's {self.teacher_tap} "
                f"{teacher} with the student's {self.student_tap} {student}: {error}"
            ) from error
        layers = [x for x in tree.flatten(vars(self.loss)) if isinstance(x, keras.layers.Layer)]
        self.extras = tuple({id(layer): layer for layer in layers}.values())

    def batch_loss(self, batch: Batch) -> Tensor:
        """The loss of the batch, given to each of its samples, `[batch]`."""
        teacher, student = batch.teacher[self.teacher_tap], batch.student[self.student_tap]
        loss = ops.cast(self.loss.compute_loss(teacher, student), "float32")
        return ops.mean(loss) + ops.zeros(ops.shape(student)[:1])

    def phases(self) -> dict[str, Phase]:
        """One task phase."""
        task = Phase(
            terms=(Term(self.name, self.batch_loss, self.weight),),
            student_taps=frozenset({self.student_tap, "logits"}),
            teacher_taps=frozenset({self.teacher_tap}),
            extras=self.extras,
        )
        return {"task": task}


_ELEMENTWISE = (distillation.LogitsDistillation, distillation.FeatureDistillation)


def _check_divergence(loss: distillation.DistillationLoss) -> None:
    """Keras turns the string "kl_divergence" into a function and then leaves out the softmax."""
    if not isinstance(loss, distillation.LogitsDistillation):
        return
    if any(part is keras.losses.kl_divergence for part in tree.flatten(loss.loss)):
        raise MethodError(
            "LogitsDistillation with the string 'kl_divergence', its default, applies neither the "
            "softmax nor temperature^2: pass loss=keras.losses.KLDivergence()"
        )


def _shape(network: str, tap: str, taps: Shapes) -> tuple[Any, ...]:
    if tap not in taps:
        raise MethodError(
            f"the Keras loss wants the {network}'s tap {tap!r}; it has {', '.join(taps)}"
        )
    return tuple(taps[tap][1:])
