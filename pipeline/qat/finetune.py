"""The fine-tuning loop under Keras 2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
import tf_keras

from pipeline.qat.job import Job

Tensor = Any


def losses(job: Job, labels: Tensor, outputs: Tensor, teacher: Tensor | None) -> Tensor:
    """`label_weight * H(y, P_S) + lambda * KL(P_T^tau || P_S^tau)`, a mean over the batch.

    The same terms as in distillation (pipeline.methods.kd): Romero et al. 2015, eq. 2.

    Args:
        job: weights and temperature.
        labels: int [batch].
        outputs: [batch, classes], logits, or probabilities where the network ends in a softmax.
        teacher: logits [batch, classes], or None.
    """
    hard = tf_keras.losses.sparse_categorical_crossentropy(
        labels, outputs, from_logits=job.from_logits
    )
    total = job.label_weight * tf.reduce_mean(hard)
    if teacher is None or job.soft_weight == 0.0:
        return total
    logits = outputs if job.from_logits else tf.math.log(outputs + tf_keras.backend.epsilon())
    target = tf.nn.log_softmax(tf.cast(teacher, tf.float32) / job.temperature)
    found = tf.nn.log_softmax(logits / job.temperature)
    divergence = tf.reduce_sum(tf.exp(target) * (target - found), axis=-1)
    factor = job.temperature**2 if job.tau_squared else 1.0
    return total + job.soft_weight * factor * tf.reduce_mean(divergence)


class FineTuning:
    """A network and its optimizer, epoch by epoch.

    Args:
        model: with or without fake quantization; its weights are changed.
        job: the settings.
        steps: batches of an epoch.
    """

    def __init__(self, model: tf_keras.Model, job: Job, steps: int) -> None:
        self.model, self.job, self.steps = model, job, steps
        rate = tf_keras.optimizers.schedules.CosineDecay(job.learning_rate, job.epochs * steps)
        self.optimizer = tf_keras.optimizers.Adam(rate)
        self.optimizer.build(model.trainable_variables)
        self.frozen = False
        self.learned = list(model.trainable_variables)
        self._step = tf.function(self._one_step, reduce_retracing=True)

    @property
    def state(self) -> list[Any]:
        """Every variable that decides how the training goes on."""
        return [*self.model.variables, *self.optimizer.variables]

    def epoch(
        self, epoch: int, batches: Iterator[Any], tell: Callable[[int, float], None]
    ) -> dict[str, float]:
        """Trains one epoch.

        Args:
            epoch: from 0.
            batches: (images [b, h, w, c], labels [b], teacher logits [b, classes] or None).
            tell: is told the steps done and the mean loss so far.

        Returns:
            {"loss": mean over the epoch}.
        """
        if epoch >= self.job.freeze_norm_after and not self.frozen:
            self._freeze()
        mean = tf_keras.metrics.Mean()
        for done, (images, labels, teacher) in enumerate(batches, start=1):
            mean.update_state(self._step(images, labels, teacher))
            tell(done, float(mean.result()))
        return {"loss": float(mean.result())}

    def _freeze(self) -> None:
        """Batch normalization keeps mean, variance, scale and offset from here on."""
        for layer in self.model.layers:
            inner = getattr(layer, "layer", layer)
            if isinstance(inner, tf_keras.layers.BatchNormalization):
                layer.trainable = inner.trainable = False
        self.frozen, self.learned = True, list(self.model.trainable_variables)
        self._step = tf.function(self._one_step, reduce_retracing=True)  # traced anew

    def _one_step(self, images: Tensor, labels: Tensor, teacher: Tensor | None) -> Tensor:
        with tf.GradientTape() as tape:
            outputs = self.model(images, training=True)
            loss = losses(self.job, labels, outputs, teacher)
        gradients = tape.gradient(loss, self.learned)
        self.optimizer.apply_gradients(zip(gradients, self.learned, strict=True))
        return loss
