"""The training step of a phase: student and extra layers against whatever the phase minimises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from hintlite.errors import SettingsError
from hintlite.models.fold import folded
from hintlite.models.taps import subnetwork
from hintlite.pipeline.methods.base import (
    LABELS,
    Batch,
    MethodError,
    Phase,
    Schedule,
    Tensor,
    Term,
    is_labelled,
)
from hintlite.pipeline.training.batch_norm import with_fast_batch_norm
from hintlite.pipeline.training.class_scores import ClassScores
from hintlite.pipeline.training.label_loss import LabelLoss, class_indices, label_loss

CACHED = "teacher:"  # key prefix of teacher outputs that come with the batch


class Distiller(keras.Model):
    """Runs one phase of one method; it knows no method by name.

    The student runs once a step, no deeper than the phase's deepest tap: batch-norm statistics
    move in training only, and only in the part that is trained, and are taken by operations that
    suit thin networks (batch_norm.py). The teacher runs in inference mode, as a copy with
    its batch normalization folded; it is neither tracked nor saved nor trained, and does not run at
    all if the batch brings its taps under the keys "teacher:<tap>".
    Works with `fit`, `evaluate`, callbacks, `tf.data`, class and sample weights, gradient
    clipping, mixed precision and the student's own regularizers.

    Batches are `(x, labels)` or `(x, labels, sample_weight)`; x is `[batch, h, w, c]` or a dict
    with "image" and, for methods with per-sample memories, "index"; labels are class indices or
    one-hot. A term that changes over the epochs has its weight in `term_weights[name]`, a variable
    that the compiled step reads.

    Args:
        student: network with a dict of outputs (see hintlite.models.taps).
        phase: what is minimised.
        teacher: network with a dict of outputs; may be None if the phase asks for no tap of it.
        shows: what a loss and metrics given to `compile` are shown of the student: its "logits",
            or their softmax, "probabilities".

    Raises:
        SettingsError: no network or no phase; or one that reads teacher taps, and no teacher.
    """

    def __init__(
        self,
        student: keras.Model,
        phase: Phase,
        teacher: keras.Model | None = None,
        shows: str = "logits",
        **kwargs: Any,
    ) -> None:
        if not isinstance(student, keras.Model) or not isinstance(phase, Phase):
            raise SettingsError(
                "expected a network and one of the phases that a method's phases() gives, got "
                f"{type(student).__name__} and {type(phase).__name__}"
            )
        # Keras scales the loss for a model of this policy alone, whatever its layers compute in.
        super().__init__(**{"dtype": _loss_policy(student), **kwargs})
        if phase.teacher_taps and teacher is None:
            raise SettingsError(
                f"this phase reads the teacher's taps {sorted(phase.teacher_taps)}, "
                "but no teacher was given: pass teacher=..."
            )
        self.phase = phase
        self.shows = shows
        self.label_loss: LabelLoss | None = None
        self.student = with_fast_batch_norm(subnetwork(student, sorted(phase.student_taps)))
        self.extras = list(phase.extras)
        # A plain function, out of the reach of Keras' tracking: the teacher is no part of this.
        self._teach = _inference(teacher, phase) if phase.teacher_taps else None
        self.term_weights = {
            term.name: self.add_weight(
                shape=(),
                initializer=keras.initializers.Constant(_weight_at_start(term.weight)),
                trainable=False,
                dtype="float32",
                name=f"weight_{term.name}",
            )
            for term in phase.terms
        }
        self.trackers = {
            name: keras.metrics.Mean(name=name)
            for name in ("loss", *(term.name for term in phase.terms))
        }
        self.accuracy = self.class_scores = None
        if "logits" in phase.student_taps:
            self.accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
            self.class_scores = ClassScores(int(self.student.output["logits"].shape[-1]))
        self.built = True

    def compile(self, optimizer: Any = "rmsprop", loss: Any = None, **kwargs: Any) -> None:
        """As `keras.Model.compile`.

        Args:
            optimizer: what applies the gradients.
            loss: what takes the place of the cross-entropy with the labels, in any form that Keras
                knows: an object, a name, a function (labels, outputs). Its weight stays that of
                the phase's term. None leaves the cross-entropy.
            **kwargs: `metrics`, `weighted_metrics`, `jit_compile` and the others; metrics are
                computed in phases that run the student to its end.

        Raises:
            MethodError: a loss on labels in a phase that reads none.
        """
        if loss is not None and all(term.name != LABELS for term in self.phase.terms):
            raise MethodError(
                "this phase has no term on the labels that the loss could take the place of; its "
                f"terms are {', '.join(term.name for term in self.phase.terms)}: leave loss out"
            )
        self.label_loss = None if loss is None else label_loss(loss)
        super().compile(optimizer=optimizer, **kwargs)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Trackers of the loss and its terms; on logits what they are worth, and `compile`'s."""
        worth = (self.accuracy, self.class_scores)
        found = [*self.trackers.values(), *(metric for metric in worth if metric is not None)]
        return [*found, *([self._compile_metrics] if self._compiled_metrics_apply else [])]

    @property
    def _compiled_metrics_apply(self) -> bool:
        return self._compile_metrics is not None and self.accuracy is not None

    def call(self, inputs: Any, training: bool = False) -> dict[str, Tensor]:
        """The student's taps of this phase."""
        outputs: dict[str, Tensor] = self.student(_images(inputs), training=training)
        return outputs

    def teacher_taps(self, inputs: Any) -> dict[str, Tensor]:
        """The teacher's taps of this phase: from the batch if it brings them, else computed."""
        wanted = self.phase.teacher_taps
        cached = _cached(inputs)
        if wanted <= cached.keys():
            taps = {name: cached[name] for name in wanted}
        else:
            taps = self._teach(_images(inputs)) if self._teach else {}
        return {name: tf.stop_gradient(ops.cast(tap, "float32")) for name, tap in taps.items()}

    def losses_of(
        self, inputs: Any, labels: Tensor, sample_weight: Tensor | None, training: bool
    ) -> tuple[dict[str, Tensor], Mapping[str, Tensor]]:
        """Each term's weighted mean over the batch, unweighted by the term's own weight.

        Returns:
            term name -> scalar, and the student's taps.
        """
        teacher = self.teacher_taps(inputs)
        outputs = self.student(_images(inputs), training=training)
        student = {name: ops.cast(tap, "float32") for name, tap in outputs.items()}
        indices = class_indices(labels)
        batch = Batch(student, teacher, indices, _index(inputs, labels), training)
        means = {
            term.name: _mean(self._loss_of(term, batch, labels), sample_weight)
            for term in self.phase.terms
        }
        return means, student

    def _loss_of(self, term: Term, batch: Batch, labels: Tensor) -> Tensor:
        if term.name == LABELS and self.label_loss is not None:
            return self.label_loss(labels, self._shown(batch.student))
        return term.loss(batch)

    def _shown(self, student: Mapping[str, Tensor]) -> Tensor:
        logits = student["logits"]
        return ops.softmax(logits, axis=-1) if self.shows == "probabilities" else logits

    def total(self, means: Mapping[str, Tensor]) -> Tensor:
        """What is minimised: weighted terms and the trained layers' own regularizers."""
        total = sum(self.term_weights[name] * mean for name, mean in means.items())
        layers = [self.student, *self.extras]
        penalties = [penalty for layer in layers for penalty in layer.losses]
        return total + sum(ops.cast(penalty, "float32") for penalty in penalties)

    def train_step(self, data: Any) -> dict[str, Tensor]:
        """One step of gradient descent on the phase's loss."""
        inputs, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            means, student = self.losses_of(inputs, labels, sample_weight, training=True)
            total = self.total(means)
            scaled = self.optimizer.scale_loss(total)
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(scaled, variables), variables)
        self._track(total, means, student, labels, sample_weight)
        results: dict[str, Tensor] = {}
        for metric in self.metrics:
            if metric is not self.class_scores:
                result = metric.result()
                results |= result if isinstance(result, dict) else {metric.name: result}
        return results

    def test_step(self, data: Any) -> dict[str, Tensor]:
        """The phase's loss in inference mode."""
        inputs, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        means, student = self.losses_of(inputs, labels, sample_weight, training=False)
        self._track(self.total(means), means, student, labels, sample_weight)
        if self.class_scores is not None:
            self.class_scores.update_state(class_indices(labels), student["logits"])
        return self.get_metrics_result()

    def fit(self, *args: Any, callbacks: Any = None, **kwargs: Any) -> Any:
        """As `keras.Model.fit`; weights that follow a schedule are set before each epoch."""
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks = [*(callbacks or []), WeightSchedules()]
        return super().fit(*args, callbacks=callbacks, **kwargs)

    def set_epoch(self, epoch: int, epochs: int) -> None:
        """Sets the scheduled weights for `epoch` (from 0) of `epochs`."""
        for term in self.phase.terms:
            if isinstance(term.weight, Schedule):
                self.term_weights[term.name].assign(term.weight.at(epoch, epochs))

    def _track(
        self,
        total: Tensor,
        means: Mapping[str, Tensor],
        student: Mapping[str, Tensor],
        labels: Tensor,
        sample_weight: Tensor | None,
    ) -> None:
        count = ops.shape(labels)[0]
        for name, value in {"loss": total, **means}.items():
            self.trackers[name].update_state(value, sample_weight=count)
        if self.accuracy is not None:
            indices = class_indices(labels)
            known = ops.cast(is_labelled(indices), "float32")
            weight = known if sample_weight is None else known * sample_weight
            self.accuracy.update_state(indices, student["logits"], sample_weight=weight)
        if self._compiled_metrics_apply:
            self._compile_metrics.update_state(labels, self._shown(student), sample_weight)


class WeightSchedules(keras.callbacks.Callback):
    """Moves the weights of the loss terms along their schedules; `Distiller.fit` adds it."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Sets the weights of this epoch: a function of the epoch alone, so resuming is exact."""
        del logs
        self.model.set_epoch(epoch, self.params["epochs"])


def _inference(teacher: keras.Model, phase: Phase) -> Callable[[Tensor], dict[str, Tensor]]:
    taught = folded(subnetwork(teacher, sorted(phase.teacher_taps)))
    return lambda images: taught(images, training=False)


def _loss_policy(student: keras.Model) -> keras.DTypePolicy:
    """mixed_float16 if a layer computes so, else the policy at hand."""
    policies = (layer.dtype_policy for layer in student._flatten_layers(include_self=False))
    return next((p for p in policies if p.name == "mixed_float16"), keras.config.dtype_policy())


def _weight_at_start(weight: float | Schedule) -> float:
    return weight.at(0, 1) if isinstance(weight, Schedule) else weight


def _images(inputs: Any) -> Tensor:
    return inputs["image"] if isinstance(inputs, Mapping) else inputs


def _index(inputs: Any, labels: Tensor) -> Tensor:
    if isinstance(inputs, Mapping) and "index" in inputs:
        return inputs["index"]
    return ops.full(ops.shape(labels)[:1], -1, dtype="int64")


def _cached(inputs: Any) -> dict[str, Tensor]:
    if not isinstance(inputs, Mapping):
        return {}
    return {
        name.removeprefix(CACHED): tap for name, tap in inputs.items() if name.startswith(CACHED)
    }


def _mean(losses: Tensor, sample_weight: Tensor | None) -> Tensor:
    """Mean over the batch of `[batch]` losses, each times its sample weight."""
    if sample_weight is None:
        return ops.mean(losses)
    return ops.mean(losses * ops.cast(sample_weight, "float32"))
