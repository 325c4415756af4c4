"""Knowledge review: each stage of the teacher teaches all deeper stages of the student too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import keras
from keras import ops

from hintlite.models.axes import all_but_batch
from hintlite.models.resize import average_to
from hintlite.pipeline.methods.base import Batch, Method, Phase, Shapes, Tensor, Term, Warmup
from hintlite.pipeline.methods.fusion_block import MAX_WIDTH, build_fusion_block
from hintlite.pipeline.methods.pairing import map_shape, stage_pairs
from hintlite.pipeline.settings.methods import ReviewKDConfig

if TYPE_CHECKING:
    from hintlite.pipeline.settings.run import RunConfig

LEVELS = (4, 2, 1)  # sides of the pooled maps that are compared beside the full one


class ReviewKD(Method):
    """Residual review with attention-based fusion and hierarchical context loss (Chen et al. 2021).

    From the deepest stage to the shallowest, a fusion block (ABF, section 3.3) joins the student's
    map with what the deeper blocks have passed on, and predicts the teacher's map of that stage.
    The loss of a stage (HCL) is the mean squared error of prediction and teacher's map, at full
    size with weight 1, and of both pooled to 4, 2 and 1 a side with weights 1/2, 1/4, 1/8, divided
    by the sum of the weights used: levels that are no smaller than the map are left out. Summed
    over the stages; its weight rises over the first epochs. The authors also compare the
    pooled features before the classifier, which no tap shows, and take the teacher's maps before
    their ReLU; here a map is what the tap shows, which is after it in hintlite's own networks: name
    the layers before it as taps to have it their way. Learnable: the student and the
    fusion blocks. Left behind: the fusion blocks.

    Args:
        config: weight and warm-up.
        pairs: tap of the student -> tap of the teacher, shallowest first.
    """

    def __init__(self, config: ReviewKDConfig, pairs: Mapping[str, str]) -> None:
        self.config = config
        self.pairs = dict(pairs)
        self.blocks: dict[str, keras.Model] = {}

    @classmethod
    def of(cls, config: RunConfig, teacher: keras.Model, student: keras.Model) -> Self:
        """The method for two networks with taps, from a run's settings."""
        return cls(config.reviewkd, stage_pairs(teacher, student))

    def build(self, teacher_taps: Shapes, student_taps: Shapes, n_samples: int) -> None:
        """Creates one fusion block a pair, deepest first.

        Raises:
            MethodError: a tap that is missing, or no feature map of fixed size.
        """
        del n_samples
        width: int | None = None
        passed_on = None
        for guided, hint in reversed(self.pairs.items()):
            student = map_shape("student", guided, student_taps)
            teacher = map_shape("teacher", hint, teacher_taps, like=student)
            width = width or min(MAX_WIDTH, student[-1])
            name = f"fusion_{len(self.pairs) - len(self.blocks)}"
            self.blocks[guided] = build_fusion_block(student, teacher, width, passed_on, name)
            passed_on = (*teacher[:-1], width)

    def predictions(self, batch: Batch) -> dict[str, Tensor]:
        """Student tap -> what its block makes of it, of the teacher's shape, float32."""
        predicted: dict[str, Tensor] = {}
        passed_on: list[Tensor] = []
        for guided, block in self.blocks.items():
            prediction, fused = block([batch.student[guided], *passed_on], training=batch.training)
            predicted[guided] = ops.cast(prediction, "float32")
            passed_on = [fused]
        return predicted

    def review_loss(self, batch: Batch) -> Tensor:
        """HCL, summed over the stages, `[batch]`."""
        predicted = self.predictions(batch)
        return sum(
            context_loss(predicted[guided], batch.teacher[hint])
            for guided, hint in self.pairs.items()
        )

    def phases(self) -> dict[str, Phase]:
        """One task phase, over all pairs."""
        config = self.config
        phase = Phase(
            terms=(
                Term("reviewkd", self.review_loss, Warmup(config.weight, config.warmup_epochs)),
            ),
            student_taps=frozenset(self.pairs) | {"logits"},
            teacher_taps=frozenset(self.pairs.values()),
            extras=tuple(self.blocks.values()),
        )
        return {"task": phase}


def context_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Hierarchical context loss of two maps of one shape, `[batch]`."""
    weight = total = 1.0
    loss = _squared_error(student, teacher)
    sizes = student.shape[1:-1]
    for side in (level for level in LEVELS if level < min(sizes, default=1)):
        weight /= 2.0
        total += weight
        pooled = (average_to(x, (side,) * len(sizes)) for x in (student, teacher))
        loss = loss + weight * _squared_error(*pooled)
    return loss / total


def _squared_error(one: Tensor, other: Tensor) -> Tensor:
    return ops.mean(ops.square(one - other), axis=all_but_batch(one))
