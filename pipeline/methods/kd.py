"""Knowledge distillation with softened logits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from keras import ops

from hintlite.pipeline.methods.base import Batch, Linear, Method, Phase, Tensor, Term, cross_entropy
from hintlite.pipeline.settings.methods import KDConfig

if TYPE_CHECKING:
    import keras

    from hintlite.pipeline.settings.run import RunConfig


class KD(Method):
    """Soft targets beside the labels.

    `label_weight * H(y, P_S) + lambda * H(P_T^tau, P_S^tau)`, where `P^tau = softmax(logits / tau)`
    and H is the cross-entropy: FitNets (Romero et al. 2015, eq. 2) with lambda annealed linearly,
    tau = 3 and no further factor. Hinton et al. 2015 (section 2) multiply the soft term by tau^2:
    `tau_squared`. The entropy of the teacher is subtracted, so that the soft term is the
    KL divergence: its gradients are the same, and it is 0 where the networks agree.

    The paper lets lambda fall from 4 to 1 over the whole training. In the authors' code it falls
    from epoch 5 towards epoch 400, and CIFAR-10 ends at epoch 288 with a lambda of about 1.85; on
    MNIST it falls to 0. Here it goes from `weight_start` to `weight_end` over the phase.

    Args:
        config: temperature, weights and convention.
        label_smoothing: applied to the labels' term alone.
    """

    def __init__(self, config: KDConfig, label_smoothing: float = 0.0) -> None:
        self.config = config
        self.label_smoothing = label_smoothing

    @classmethod
    def of(cls, config: RunConfig, teacher: keras.Model, student: keras.Model) -> Self:
        """The method for two networks with taps, from a run's settings."""
        del teacher, student
        return cls(config.kd, config.training.label_smoothing)

    def soft_loss(self, batch: Batch) -> Tensor:
        """`KL(P_T^tau || P_S^tau)`, times tau^2 if chosen, `[batch]`."""
        tau = self.config.temperature
        teacher = ops.log_softmax(batch.teacher["logits"] / tau, axis=-1)
        student = ops.log_softmax(batch.student["logits"] / tau, axis=-1)
        divergence = ops.sum(ops.exp(teacher) * (teacher - student), axis=-1)
        return divergence * tau**2 if self.config.tau_squared else divergence

    def phases(self) -> dict[str, Phase]:
        """One task phase on the logits of both networks."""
        config = self.config
        labels = Term(
            "ce", lambda batch: cross_entropy(batch, self.label_smoothing), config.label_weight
        )
        soft = Term("kd", self.soft_loss, Linear(config.weight_start, config.weight_end))
        logits = frozenset({"logits"})
        return {"task": Phase(terms=(labels, soft), student_taps=logits, teacher_taps=logits)}
