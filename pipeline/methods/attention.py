"""Attention transfer: the student looks where the teacher looks."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Self

from keras import ops

from hintlite.models.resize import Size, average_to, common_size
from hintlite.pipeline.methods.base import Batch, Method, MethodError, Phase, Shapes, Tensor, Term
from hintlite.pipeline.methods.pairing import map_shape, stage_pairs
from hintlite.pipeline.settings.methods import AttentionConfig

if TYPE_CHECKING:
    import keras

    from hintlite.pipeline.settings.run import RunConfig

EPSILON = 1e-12  # of a squared norm


class Attention(Method):
    """Activation-based attention transfer (Zagoruyko & Komodakis 2017, eq. 2).

    For each pair of stages `mean((Q(s) - Q(t))^2)` over the places of the map, where
    `Q(f) = vec(mean_c f^2) / ||vec(mean_c f^2)||_2` of a map `[batch, h, w, c]` or
    `[batch, time, c]`; summed over the pairs, and added to the labels' cross-entropy with the
    weight beta (1000). The paper writes a norm in place of the mean of squares; the mean is that of
    the authors' code, to which their beta belongs. Channels may differ: Q averages over them. Where
    the sizes differ, the larger feature map is average-pooled to the smaller before Q. A bound of
    1e-12 keeps Q finite on a map of zeros; it is one of the squared norm here, and of the norm in
    the authors' code. Nothing is learnable but the student; nothing is left behind.

    Args:
        config: the weight.
        pairs: tap of the student -> tap of the teacher.
    """

    def __init__(self, config: AttentionConfig, pairs: Mapping[str, str]) -> None:
        self.config = config
        self.pairs = dict(pairs)
        self.sizes: dict[str, Size] = {}

    @classmethod
    def of(cls, config: RunConfig, teacher: keras.Model, student: keras.Model) -> Self:
        """The method for two networks with taps, from a run's settings."""
        return cls(config.attention, stage_pairs(teacher, student))

    def build(self, teacher_taps: Shapes, student_taps: Shapes, n_samples: int) -> None:
        """Finds the size at which each pair is compared.

        Raises:
            MethodError: all pairs meet at one place, where attention is 1 whatever the networks do.
        """
        del n_samples
        for guided, hint in self.pairs.items():
            student = map_shape("student", guided, student_taps)
            teacher = map_shape("teacher", hint, teacher_taps, like=student)
            self.sizes[guided] = common_size(student, teacher)
        if all(prod(size) == 1 for size in self.sizes.values()):
            raise MethodError(
                "attention compares where in a map the networks look, but every pair of stages "
                f"({_listed(self.pairs)}) meets at a map of one place: choose earlier taps, or, "
                "for the rows of a table, which have no places, another method"
            )

    def attention_loss(self, batch: Batch) -> Tensor:
        """`mean((Q(s) - Q(t))^2)`, summed over the pairs, `[batch]`."""
        total = 0.0
        for guided, hint in self.pairs.items():
            student = attention_map(average_to(batch.student[guided], self.sizes[guided]))
            teacher = attention_map(average_to(batch.teacher[hint], self.sizes[guided]))
            total = total + ops.mean(ops.square(student - teacher), axis=1)
        return total

    def phases(self) -> dict[str, Phase]:
        """One task phase, over all pairs."""
        phase = Phase(
            terms=(Term("attention", self.attention_loss, self.config.weight),),
            student_taps=frozenset(self.pairs) | {"logits"},
            teacher_taps=frozenset(self.pairs.values()),
        )
        return {"task": phase}


def attention_map(features: Tensor) -> Tensor:
    """Q(f): mean over channels of the squares, as a vector of length 1.

    Args:
        features: `[batch, h, w, c]` or `[batch, time, c]`.

    Returns:
        `[batch, h * w]` or `[batch, time]`.
    """
    energy = ops.mean(ops.square(features), axis=-1)
    flat = ops.reshape(energy, (-1, prod(energy.shape[1:])))
    norm = ops.sum(ops.square(flat), axis=1, keepdims=True)
    return flat * ops.rsqrt(ops.maximum(norm, EPSILON))


def _listed(pairs: Mapping[str, str]) -> str:
    return ", ".join(f"{guided} and {hint}" for guided, hint in pairs.items())
