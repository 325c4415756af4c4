"""A memory of embeddings, one row a sample, from which contrastive losses draw negatives."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import ops

from hintlite.pipeline.methods.base import Tensor

GENERATOR = "philox"  # the same numbers on every device


class Rows(NamedTuple):
    """Embeddings of both networks for the same samples.

    Attributes:
        student: `[n, dim]`, of length 1.
        teacher: `[n, dim]`, of length 1.
    """

    student: Tensor
    teacher: Tensor


class MemoryBank(keras.layers.Layer):
    """What both networks made of each sample when they last saw it (Tian et al. 2020, section 3).

    Everything is a variable that no gradient reaches, so that a checkpoint carries it and a
    resumed training draws what it would have drawn anyway: the draw of a step depends on
    (seed, step) alone.

    The bank learns a sample's label when the sample is first trained on. Samples get their rows in
    that order, so rows 0 to filled - 1 are those in use, and negatives are drawn among them: never
    from samples that are not trained on (validation data has indices too, and gets no row). At the
    first step of all the whole bank is drawn from: unit vectors of random direction, as which the
    paper's code starts, of no class.

    Args:
        samples: one more than the largest index.
        dim: length of an embedding.
        momentum: share of the old row that remains when a sample is seen again.
        seed: of the first rows and of the draws.
    """

    def __init__(self, samples: int, dim: int, momentum: float, seed: int, **kwargs: Any) -> None:
        super().__init__(dtype="float32", trainable=False, **kwargs)
        self.samples, self.dim, self.momentum, self.seed = samples, dim, momentum, seed
        self.student = self._rows("student", (seed, 0))
        self.teacher = self._rows("teacher", (seed, 1))
        self.classes = self._integers("classes", (samples,), -1)
        self.row_of = self._integers("row_of", (samples,), -1)
        self.filled = self._integers("filled", (), 0)
        self.step = self._integers("step", (), 0)
        self.constants = self.add_weight(
            shape=(2,), initializer="zeros", trainable=False, name="log_means"
        )
        self.built = True

    def own(self, index: Tensor, embeddings: Rows) -> Rows:
        """The rows of the samples at hand; for those without one, the embeddings themselves.

        Args:
            index: int64 `[batch]`; -1 has no row.
            embeddings: `[batch, dim]` each.
        """
        row, known = self._find(index)
        return Rows(
            ops.where(known[:, None], ops.take(self.student, row, axis=0), embeddings.student),
            ops.where(known[:, None], ops.take(self.teacher, row, axis=0), embeddings.teacher),
        )

    def draw(self, count: int) -> tuple[Rows, Tensor]:
        """Rows in use, drawn uniformly with replacement, and their classes `[count]`."""
        used = ops.where(self.filled.value > 0, self.filled.value, self.samples)
        rows = tf.random.stateless_uniform(
            (count,),
            tf.stack([tf.constant(self.seed, tf.int64), tf.convert_to_tensor(self.step.value)]),
            minval=0,
            maxval=used,
            dtype=tf.int64,
            alg=GENERATOR,
        )
        drawn = Rows(ops.take(self.student, rows, axis=0), ops.take(self.teacher, rows, axis=0))
        return drawn, ops.take(self.classes, rows)

    def log_means(self, estimates: Tensor, training: bool) -> Tensor:
        """The constants of both directions `[2]`: the estimates of the first training step.

        Args:
            estimates: those of this step, which count if there was no step before.
            training: whether they are to be kept.
        """
        constants = ops.where(self.step.value > 0, self.constants.value, estimates)
        if training:
            self.constants.assign(constants)
        return constants

    def remember(self, index: Tensor, labels: Tensor, embeddings: Rows) -> None:
        """Moves the samples' rows towards their embeddings, and counts the step.

        A row becomes `momentum * row + (1 - momentum) * embedding`, at length 1; a sample without
        a row gets one, which is its embedding.

        Args:
            index: int64 `[batch]`, each once.
            labels: int `[batch]`.
            embeddings: `[batch, dim]` each.
        """
        row, known = self._find(index)
        new = ops.cast(ops.logical_not(known), "int64")
        row = ops.where(known, row, self.filled + ops.cumsum(new) - 1)
        for rows, old, now in zip(
            (self.student, self.teacher), self.own(index, embeddings), embeddings, strict=True
        ):
            mixed = self.momentum * old + (1.0 - self.momentum) * now
            _write(rows, row, ops.normalize(mixed, axis=1))
        _write(self.classes, row, ops.cast(labels, "int64"))
        _write(self.row_of, index, row)
        self.filled.assign_add(ops.sum(new))
        self.step.assign_add(1)

    def _find(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Row and whether there is one; the row is 0 where there is none."""
        row = ops.where(index >= 0, ops.take(self.row_of, ops.maximum(index, 0)), -1)
        return ops.maximum(row, 0), row >= 0

    def _rows(self, name: str, seed: tuple[int, int]) -> keras.Variable:
        def on_the_sphere(shape: tuple[int, ...], dtype: Any = None) -> Tensor:
            del dtype  # float32, as the layer's
            normal = tf.random.stateless_normal(shape, seed, alg=GENERATOR)
            return ops.normalize(normal, axis=1)

        return self.add_weight(
            shape=(self.samples, self.dim), initializer=on_the_sphere, trainable=False, name=name
        )

    def _integers(self, name: str, shape: tuple[int, ...], start: int) -> keras.Variable:
        return self.add_weight(
            shape=shape,
            initializer=keras.initializers.Constant(start),
            dtype="int64",
            trainable=False,
            name=name,
        )


def _write(variable: keras.Variable, rows: Tensor, values: Tensor) -> None:
    """Overwrites some rows where they are: `assign` would write the whole bank anew each step."""
    variable.value.scatter_nd_update(ops.expand_dims(rows, 1), values)
