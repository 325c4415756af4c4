"""The FitNets paper's negative result: labels in the place of hints."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Self

import keras
from keras import ops

from hintlite.models.axes import mean_over_places
from hintlite.models.taps import middle_tap
from hintlite.pipeline.methods.base import Batch, Method, Phase, Shapes, Tensor, label_entropy
from hintlite.pipeline.methods.hint import guided_shape, hint_phases
from hintlite.pipeline.settings.methods import HintConfig

if TYPE_CHECKING:
    from hintlite.pipeline.settings.run import RunConfig


class HintLabels(Method):
    """The student up to its guided layer learns to classify.

    `H(y, softmax(W * mean(v_g(x)) + b))`, averaged over the batch: in the place of a regressor to
    the teacher's hint, the guided features `[batch, h, w, c]` get a classifier of the kind that
    the student ends in, global average pooling and a dense layer. Then the task phase follows.
    Romero et al. 2015 report that pre-training with the labels helps less than hints do, as it asks
    an early layer for features that tell the classes apart already; auxiliary classifiers are those
    of Lee et al. 2015 (Deeply-Supervised Nets). The paper does not say what the classifier looked
    like: this one is a choice. No teacher is read. With several guided taps the losses are added.
    Learnable: the student up to the deepest guided tap, and the classifiers. Left behind: the
    classifiers.

    Args:
        config: epochs, learning rate and whether the loss stays on in the task phase.
        guided: taps of the student.
        classes: number of classes.
    """

    def __init__(self, config: HintConfig, guided: Collection[str], classes: int) -> None:
        self.config = config
        self.guided = tuple(guided)
        self.classes = classes
        self.classifiers: dict[str, keras.Model] = {}

    @classmethod
    def of(cls, config: RunConfig, teacher: keras.Model, student: keras.Model) -> Self:
        """The method for two networks with taps, from a run's settings."""
        del teacher
        guided = list(config.hint.pairs) or [middle_tap(student)]
        return cls(config.hint, guided, int(student.output["logits"].shape[-1]))

    def build(self, teacher_taps: Shapes, student_taps: Shapes, n_samples: int) -> None:
        """Creates one classifier a guided tap.

        Raises:
            MethodError: an unknown tap.
        """
        del teacher_taps, n_samples
        for guided in self.guided:
            inputs = keras.Input(guided_shape(guided, student_taps), name="guided")
            pooled = mean_over_places(inputs)
            logits = keras.layers.Dense(self.classes, name="classifier")(pooled)
            self.classifiers[guided] = keras.Model(inputs, logits, name="hint_classifier")

    def label_loss(self, batch: Batch) -> Tensor:
        """Cross-entropy at the guided taps, summed over them, `[batch]`."""
        total = 0.0
        for guided, classifier in self.classifiers.items():
            logits = classifier(batch.student[guided], training=batch.training)
            total = total + label_entropy(batch.labels, ops.cast(logits, "float32"))
        return total

    def phases(self) -> dict[str, Phase]:
        """The phase of the guided layers; and the task phase, with their loss if it is kept on."""
        extras = tuple(self.classifiers.values())
        guided = frozenset(self.guided)
        return hint_phases(self.config, "hint_labels", self.label_loss, guided, frozenset(), extras)
