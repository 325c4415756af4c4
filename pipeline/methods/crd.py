"""Contrastive representation distillation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from hintlite.models.axes import all_but_batch
from hintlite.pipeline.methods.base import Batch, Method, MethodError, Phase, Shapes, Tensor, Term
from hintlite.pipeline.methods.memory_bank import MemoryBank, Rows
from hintlite.pipeline.methods.pairing import map_shape, stage_pairs
from hintlite.pipeline.settings.methods import CRDConfig

if TYPE_CHECKING:
    from hintlite.pipeline.settings.run import RunConfig


class CRD(Method):
    """Both networks' embeddings of one sample agree, and differ from other classes' samples.

    The deepest map of each network (`[batch, h, w, c]`, of a series `[batch, time, c]`) is averaged
    over its places, mapped linearly to `dim` numbers and brought to length 1 (Tian et al. 2020,
    section 3). With the anchor `a` of one network and the other network's remembered embeddings b,
    `h(b) = exp(a b / T) / Z`, noise probability `1 / n` and m negatives, the loss of a sample is

        -log(h(own) / (h(own) + m / n)) - sum over negatives of log((m / n) / (h(b) + m / n))

    once with the student as the anchor and once with the teacher; the two are added. Z is constant
    in a direction: n times the mean of exp(a b / T) at the first step, when the bank holds random
    unit vectors, as the authors' code has it.

    Three things differ from the authors' code. It draws K negatives for each sample; here K rows
    are drawn for a step, and each sample uses those whose class is another: m counts them. One
    matrix product then does the work, which allows a K on a CPU that gathering would not. It
    starts a sample's positive as a random vector; here the first positive is the embedding of the
    other network itself, without a gradient. It draws from the whole bank while part of it is
    random; here from the samples seen so far. In evaluation nothing is remembered, and a sample
    without a row is its own positive.

    Learnable: the student and both linear maps. Left behind: the maps and the bank.

    Args:
        config: weight and constants.
        student_tap: the student's deepest tap.
        teacher_tap: the teacher's deepest tap.
        seed: of the bank's draws.
    """

    def __init__(self, config: CRDConfig, student_tap: str, teacher_tap: str, seed: int) -> None:
        self.config = config
        self.student_tap, self.teacher_tap = student_tap, teacher_tap
        self.seed = seed

    @classmethod
    def of(cls, config: RunConfig, teacher: keras.Model, student: keras.Model) -> Self:
        """The method for two networks with taps, from a run's settings."""
        deepest = list(stage_pairs(teacher, student).items())[-1]
        return cls(config.crd, *deepest, seed=config.seed)

    def build(self, teacher_taps: Shapes, student_taps: Shapes, n_samples: int) -> None:
        """Creates the two linear maps and the bank.

        Raises:
            MethodError: a tap that is missing, no feature map of fixed size, or samples without
                a number.
        """
        if n_samples < 1:
            raise MethodError(
                "crd remembers an embedding of each training sample, so it has to know which is "
                "which: give the samples as arrays, not as a dataset"
            )
        config = self.config
        student = map_shape("student", self.student_tap, student_taps)
        teacher = map_shape("teacher", self.teacher_tap, teacher_taps)
        self.embed_student = _linear(student[-1], config.dim, "crd_student")
        self.embed_teacher = _linear(teacher[-1], config.dim, "crd_teacher")
        self.bank = MemoryBank(n_samples, config.dim, config.momentum, self.seed, name="crd_bank")

    def contrast_loss(self, batch: Batch) -> Tensor:
        """The sum of both directions, `[batch]`; remembers the batch in training."""
        now = self.embeddings(batch)
        fixed = Rows(*(ops.stop_gradient(embedding) for embedding in now))
        own = self.bank.own(batch.index, fixed)
        drawn, classes = self.bank.draw(self.config.negatives)
        labels = ops.cast(batch.labels, "int64")
        others = ops.cast(classes[None, :] != labels[:, None], "float32")
        directions = (
            (now.student, own.teacher, drawn.teacher),
            (now.teacher, own.student, drawn.student),
        )
        scores = [self._scores(*direction) for direction in directions]
        estimates = [_log_mean_exp(negative, others) for _, negative in scores]
        log_means = self.bank.log_means(ops.stack(estimates), batch.training)
        if batch.training:
            self.bank.remember(_checked(batch.index), labels, fixed)
        first, second = (
            nce(positive, negative, others, log_means[side])
            for side, (positive, negative) in enumerate(scores)
        )
        return first + second

    def embeddings(self, batch: Batch) -> Rows:
        """Of both networks, `[batch, dim]`, of length 1."""
        return Rows(
            _embed(self.embed_student, batch.student[self.student_tap]),
            _embed(self.embed_teacher, batch.teacher[self.teacher_tap]),
        )

    def phases(self) -> dict[str, Phase]:
        """One task phase on the deepest maps."""
        phase = Phase(
            terms=(Term("crd", self.contrast_loss, self.config.weight),),
            student_taps=frozenset({self.student_tap, "logits"}),
            teacher_taps=frozenset({self.teacher_tap}),
            extras=(self.embed_student, self.embed_teacher, self.bank),
        )
        return {"task": phase}

    def _scores(self, anchor: Tensor, own: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """`a b / T` with the positives `[batch]` and with the drawn rows `[batch, K]`."""
        anchor = anchor / self.config.temperature
        return ops.sum(anchor * own, axis=1), ops.matmul(anchor, ops.transpose(drawn))


def nce(positive: Tensor, negative: Tensor, others: Tensor, log_mean: Tensor) -> Tensor:
    """Noise-contrastive loss of one direction, `[batch]`.

    `h / (h + m / n)` is the logistic function of `a b / T - log(Z m / n)`: written so, nothing
    overflows, and n cancels, as Z is n times a mean.

    Args:
        positive: `a b / T` with the positive, `[batch]`.
        negative: `a b / T` with the drawn rows, `[batch, K]`.
        others: 1 where a drawn row is of another class, else 0, `[batch, K]`.
        log_mean: log(Z / n).
    """
    offset = log_mean + ops.log(ops.maximum(ops.sum(others, axis=1), 1.0))
    missed = ops.softplus(negative - offset[:, None]) * others
    return ops.softplus(offset - positive) + ops.sum(missed, axis=1)


def _log_mean_exp(negative: Tensor, others: Tensor) -> Tensor:
    """Log of the mean of exp(a b / T) over all negatives: no gradient, Z is a constant."""
    masked = ops.where(others > 0, ops.stop_gradient(negative), -np.inf)
    return ops.logsumexp(masked) - ops.log(ops.maximum(ops.sum(others), 1.0))


def _linear(channels: int, dim: int, name: str) -> keras.layers.Layer:
    layer = keras.layers.Dense(dim, name=name)
    layer.build((None, channels))
    return layer


def _embed(linear: keras.layers.Layer, features: Tensor) -> Tensor:
    embedding = linear(ops.mean(features, axis=all_but_batch(features)[:-1]))
    return ops.normalize(ops.cast(embedding, "float32"), axis=1)


def _checked(index: Tensor) -> Tensor:
    tf.debugging.assert_non_negative(
        index,
        "crd remembers each sample by its row in the training arrays, and this batch does not "
        'say which rows it holds: give the images as {"image": ..., "index": ...}',
    )
    return index
