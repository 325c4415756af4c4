"""Methods from outside the package, as somebody would write them who only uses it."""

import keras
from keras import ops

from hintlite.pipeline.methods.base import Method, Phase, Term


class PooledMatching(Method):
    """`mean((W mean_hw(s) + b - mean_hw(t))^2)` of the maps `[batch, h, w, c]` of stage2."""

    def build(self, teacher_taps, student_taps, n_samples):
        self.project = keras.layers.Dense(teacher_taps["stage2"][-1])
        self.project.build((None, student_taps["stage2"][-1]))

    def loss(self, batch):
        student = self.project(ops.mean(batch.student["stage2"], axis=(1, 2)))
        teacher = ops.mean(batch.teacher["stage2"], axis=(1, 2))
        return ops.mean(ops.square(ops.cast(student, "float32") - teacher), axis=-1)

    def phases(self):
        term, taps = Term("pooled_matching", self.loss, 2.0), frozenset({"stage2"})
        return {"task": Phase((term,), taps | {"logits"}, taps, extras=(self.project,))}
