"""Flow of the solution procedure: how features follow from each other, layer to layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Self

import keras
from keras import ops

from hintlite.models.axes import convolution
from hintlite.models.resize import average_to, common_size
from hintlite.pipeline.methods.base import Batch, Method, MethodError, Phase, Shapes, Tensor
from hintlite.pipeline.methods.hint import hint_phases
from hintlite.pipeline.methods.pairing import map_shape, stage_pairs
from hintlite.pipeline.settings.methods import FSPConfig

if TYPE_CHECKING:
    from hintlite.pipeline.settings.run import RunConfig


class FSP(Method):
    """Gram matrices between consecutive stages, first alone, then the task (Yim et al. 2017).

    `G = F1^T F2 / (h w)` of two consecutive maps `[batch, h, w, m]` and `[batch, h, w, n]` is
    `[batch, m, n]` (eq. 1), likewise of series `[batch, time, c]`; the loss is
    `mean((G_s - G_t)^2)` over its entries, summed over the consecutive pairs (eq. 2 with the mean
    in place of the sum, so that wide layers weigh no more). Of two maps of unequal size the larger
    is average-pooled to the smaller first (torchdistill pools by the maximum). A student whose
    stage has other channels than the teacher's is brought to them by a 1x1 convolution without bias
    (the paper takes networks of equal channels). The first phase trains the student's stages on
    this loss alone, the second the whole student on the task (algorithm 1). Learnable: the student
    and the projections. Left behind: the projections.

    Args:
        config: epochs and rate of the first phase, and whether its loss stays on in the second.
        pairs: tap of the student -> tap of the teacher, shallowest first.
    """

    def __init__(self, config: FSPConfig, pairs: Mapping[str, str]) -> None:
        self.config = config
        self.pairs = dict(pairs)
        self.projections: dict[str, keras.layers.Layer] = {}

    @classmethod
    def of(cls, config: RunConfig, teacher: keras.Model, student: keras.Model) -> Self:
        """The method for two networks with taps, from a run's settings."""
        return cls(config.fsp, stage_pairs(teacher, student))

    def build(self, teacher_taps: Shapes, student_taps: Shapes, n_samples: int) -> None:
        """Creates a projection for each stage whose channels differ.

        Raises:
            MethodError: fewer than two pairs of stages.
        """
        del n_samples
        if len(self.pairs) < 2:
            raise MethodError(
                "fsp compares the step from one stage to the next, and needs two stages of each "
                f"network; there is one pair, {', '.join(map(' and '.join, self.pairs.items()))}"
            )
        for guided, hint in self.pairs.items():
            student = map_shape("student", guided, student_taps)
            channels = map_shape("teacher", hint, teacher_taps, like=student)[-1]
            if student[-1] != channels:
                name = f"fsp_projection_{len(self.projections)}"
                projection = convolution(len(student) - 1, channels, 1, use_bias=False, name=name)
                projection.build((None, *student))
                self.projections[guided] = projection

    def fsp_loss(self, batch: Batch) -> Tensor:
        """`mean((G_s - G_t)^2)`, summed over the consecutive pairs of stages, `[batch]`."""
        student = grams([self._projected(guided, batch) for guided in self.pairs])
        teacher = grams([batch.teacher[hint] for hint in self.pairs.values()])
        errors = zip(student, teacher, strict=True)
        return sum(ops.mean(ops.square(mine - theirs), axis=(1, 2)) for mine, theirs in errors)

    def phases(self) -> dict[str, Phase]:
        """The Gram phase; and the task phase, with the Gram loss in it if it is kept on."""
        guided, hints = frozenset(self.pairs), frozenset(self.pairs.values())
        extras = tuple(self.projections.values())
        return hint_phases(self.config, "fsp", self.fsp_loss, guided, hints, extras)

    def _projected(self, guided: str, batch: Batch) -> Tensor:
        features = batch.student[guided]
        if guided not in self.projections:
            return features
        return ops.cast(self.projections[guided](features), "float32")


def grams(maps: Sequence[Tensor]) -> list[Tensor]:
    """The matrix between each map and the next: `[batch, m, n]` each, one fewer than maps."""
    return [gram(first, second) for first, second in pairwise(maps)]


def gram(first: Tensor, second: Tensor) -> Tensor:
    """`F1^T F2 / (h w)` at the smaller size of both maps.

    Args:
        first: `[batch, h1, w1, m]`, `[batch, time1, m]` or `[batch, m]`.
        second: `[batch, h2, w2, n]`, likewise.

    Returns:
        `[batch, m, n]`.
    """
    size = common_size(first.shape[1:], second.shape[1:])
    places = prod(size)
    one, two = (
        ops.reshape(average_to(x, size), (-1, places, x.shape[-1])) for x in (first, second)
    )
    return ops.matmul(ops.transpose(one, (0, 2, 1)), two) / places
