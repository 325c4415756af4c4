"""The fine-tuning loop under Keras 2."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf
import tf_keras

from hintlite.errors import HintliteError
from hintlite.pipeline.qat.fast_norm import with_fast_norm
from hintlite.pipeline.qat.job import Job
from hintlite.pipeline.qat.trained import inner

Tensor = Any
Teach = Callable[[Tensor], Tensor]
SEEDS = 1_000  # epochs' random seeds lie in a row of this length


class TuningError(HintliteError):
    """A fine-tuning that cannot go on."""


def losses(job: Job, labels: Tensor, logits: Tensor, teacher: Tensor | None) -> Tensor:
    """`label_weight * H(y, P_S) + lambda * KL(P_T^tau || P_S^tau)`, a mean over the batch.

    The same terms as in distillation (hintlite.pipeline.methods.kd): Romero et al. 2015, eq. 2.

    Args:
        job: weights, temperature, smoothing.
        labels: int [batch].
        logits: [batch, classes], of the network.
        teacher: logits [batch, classes], or None.
    """
    classes = logits.shape[-1]
    target = tf.one_hot(labels, classes) * (1.0 - job.label_smoothing)
    target += job.label_smoothing / classes
    total = job.label_weight * tf.nn.softmax_cross_entropy_with_logits(target, logits)
    if teacher is not None and job.soft_weight > 0.0:
        total += job.soft_weight * _divergence(job, tf.cast(teacher, tf.float32), logits)
    if job.class_weights:
        total *= tf.gather(tf.constant(job.class_weights, tf.float32), labels)
    return tf.reduce_mean(total)


def _divergence(job: Job, teacher: Tensor, logits: Tensor) -> Tensor:
    """KL(P_T^tau || P_S^tau), times tau^2 if chosen, [batch]."""
    target = tf.nn.log_softmax(teacher / job.temperature)
    found = tf.nn.log_softmax(logits / job.temperature)
    divergence = tf.reduce_sum(tf.exp(target) * (target - found), axis=-1)
    return divergence * job.temperature**2 if job.tau_squared else divergence


class FineTuning:
    """A network and its optimizer, epoch by epoch.

    Args:
        model: with or without fake quantization, ends in logits or in a softmax layer; its weights
            are changed, and how its batch normalizations compute while training.
        job: the settings.
        steps: batches of an epoch.
        teach: images [b, h, w, c] -> the teacher's logits, where batches do not bring them.
    """

    def __init__(
        self, model: tf_keras.Model, job: Job, steps: int, teach: Teach | None = None
    ) -> None:
        self.model, self.job, self.steps, self.teach = with_fast_norm(model), job, steps, teach
        self.logits = logits_of(model)
        rate = tf_keras.optimizers.schedules.CosineDecay(job.learning_rate, job.epochs * steps)
        self.optimizer = tf_keras.optimizers.Adam(rate)
        self.optimizer.build(model.trainable_variables)
        self.frozen = False
        self.learned = list(model.trainable_variables)
        self.draws = any("Dropout" in type(inner(layer)).__name__ for layer in model.layers)
        self._step = self._traced()

    @property
    def state(self) -> list[Any]:
        """Every variable that decides how the training goes on."""
        return [*self.model.variables, *self.optimizer.variables]

    def epoch(
        self, epoch: int, batches: Iterable[Any], tell: Callable[[int, float], None]
    ) -> float:
        """Trains one epoch.

        Args:
            epoch: from 0.
            batches: (images [b, h, w, c], labels [b], teacher logits [b, classes] or None).
            tell: is told the steps done and the mean loss so far.

        Returns:
            The mean loss over the epoch.

        Raises:
            TuningError: it is no longer a finite number.
        """
        if epoch >= self.job.freeze_norm_after and not self.frozen:
            self._freeze()
        if self.draws:
            # Dropout counts on within one traced step: an epoch's masks must not depend on whether
            # the process has done the epochs before.
            tf.random.set_seed(self.job.seed * SEEDS + epoch)
            self._step = self._traced()
        mean = tf_keras.metrics.Mean()
        for done, (images, labels, teacher) in enumerate(batches, start=1):
            mean.update_state(self._step(images, labels, teacher), len(labels))
            tell(done, float(mean.result()))
        loss = float(mean.result())
        if not math.isfinite(loss):
            raise TuningError(
                f"the loss is not a finite number in epoch {epoch + 1} of the fine-tuning: lower "
                f"qat.learning_rate ({self.job.learning_rate:g} now)"
            )
        return loss

    def _freeze(self) -> None:
        """Batch normalization keeps mean, variance, scale and offset from here on."""
        for layer in self.model.layers:
            if isinstance(inner(layer), tf_keras.layers.BatchNormalization):
                layer.trainable = inner(layer).trainable = False
        self.frozen, self.learned = True, list(self.model.trainable_variables)
        self._step = self._traced()

    def _traced(self) -> Callable[..., Tensor]:
        return tf.function(self._one_step, reduce_retracing=True)

    def _one_step(self, images: Tensor, labels: Tensor, teacher: Tensor | None) -> Tensor:
        if teacher is None and self.teach is not None:
            teacher = self.teach(images)
        with tf.GradientTape() as tape:
            loss = losses(self.job, labels, self.logits(images, training=True), teacher)
        gradients = tape.gradient(loss, self.learned)
        pairs = zip(gradients, self.learned, strict=True)
        self.optimizer.apply_gradients([pair for pair in pairs if pair[0] is not None])
        return loss


def logits_of(model: tf_keras.Model) -> tf_keras.Model:
    """The same network without the softmax at its end, if it has one."""
    last = model.layers[-1]
    if isinstance(inner(last), tf_keras.layers.Softmax):
        return tf_keras.Model(model.input, last.input)
    return model
