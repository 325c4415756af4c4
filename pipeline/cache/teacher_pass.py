"""The teacher's outputs for the training samples, in one pass."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import keras
from keras import ops

from hintlite.models.fold import folded
from hintlite.models.taps import subnetwork
from hintlite.pipeline.data.batches import evaluation_batches
from hintlite.pipeline.data.rows import batch_of
from hintlite.pipeline.data.training_data import TrainingData
from hintlite.pipeline.methods.base import MethodError, Tensor


def teacher_pass(
    teacher: keras.Model | None, data: TrainingData, taps: Collection[str]
) -> Iterator[dict[str, Tensor]]:
    """Runs the teacher once over the training part, without augmentation, in inference mode.

    Args:
        teacher: network with taps.
        data: its training part is read, in its order.
        taps: names of the outputs wanted.

    Yields:
        tap -> float32 `[batch, ...]`.

    Raises:
        MethodError: there is no teacher.
    """
    if teacher is None:
        raise MethodError(
            f"the method looks at the teacher's taps {sorted(taps)}, but there is no teacher: "
            "pass one to the Job"
        )
    network = folded(subnetwork(teacher, sorted(taps)))
    batches = evaluation_batches(
        data.images, data.labels, data.train, batch_of(data.input_shape), data.normalization
    )
    for inputs, _ in batches:
        outputs = network(inputs["image"], training=False)
        yield {name: ops.cast(outputs[name], "float32") for name in taps}
