"""Hints without a phase of their own: what most benchmarks call FitNet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from keras import ops

from hintlite.models.axes import all_but_batch
from hintlite.pipeline.methods.base import Batch, Phase, Tensor, Term
from hintlite.pipeline.methods.hint import Hint, hint_pairs
from hintlite.pipeline.settings.methods import HintConfig, JointHintConfig

if TYPE_CHECKING:
    import keras

    from hintlite.pipeline.settings.run import RunConfig


class JointHint(Hint):
    """The labels and the hints in one phase.

    `H(y, P_S) + weight * mean((r(v_g(x)) - u_h(x))^2)`, the mean over the batch and `[h, w, c]`,
    summed over the pairs. That is the "FitNet" of the comparison in Tian et al. 2020 (Contrastive
    Representation Distillation, section 4) and of most benchmarks after it, with the weight 100;
    Romero et al. 2015 train in two phases (see Hint), and on the sum of squares.

    One thing differs from the code of that comparison (RepDistiller): its regressor ends in batch
    normalization and ReLU, and is a 3x3 convolution of stride 2 where the hint has half the size
    and a transposed one where it has double. Here it is the regressor of the hint phase, with the
    hint's own non-linearity and without normalization, and a larger hint is average-pooled.

    Learnable: the student and the regressors. Left behind: the regressors.

    Args:
        config: the weight.
        hint: the regressor; its epochs, rate and weight concern the hint phase, which is not here.
        pairs: guided tap of the student -> hint tap of the teacher.
        activations: hint tap -> its non-linearity.
    """

    def __init__(
        self,
        config: JointHintConfig,
        hint: HintConfig,
        pairs: Mapping[str, str],
        activations: Mapping[str, str],
    ) -> None:
        super().__init__(hint, pairs, activations)
        self.weight = config.weight

    @classmethod
    def of(cls, config: RunConfig, teacher: keras.Model, student: keras.Model) -> Self:
        """The method for two networks with taps, from a run's settings."""
        return cls(config.joint_hint, config.hint, *hint_pairs(config, teacher, student))

    def joint_loss(self, batch: Batch) -> Tensor:
        """`mean((r(v_g) - u_h)^2)`, summed over the pairs, `[batch]`."""
        total = 0.0
        for guided in self.pairs:
            error = self.prediction(guided, batch) - self.target(guided, batch)
            total = total + ops.mean(ops.square(error), axis=all_but_batch(error))
        return total

    def compared_maps(self, batch: Batch) -> dict[str, tuple[Tensor, Tensor]]:
        """None: there is no hint phase."""
        del batch
        return {}

    def phases(self) -> dict[str, Phase]:
        """The task phase."""
        task = Phase(
            terms=(Term("joint_hint", self.joint_loss, self.weight),),
            student_taps=frozenset(self.pairs) | {"logits"},
            teacher_taps=self.hints,
            extras=self.extras,
        )
        return {"task": task}
