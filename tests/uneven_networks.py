"""A teacher and a student that differ in the number, size and channels of their stages."""

import keras
import numpy as np

RNG = np.random.default_rng(11)
X = RNG.normal(size=(20, 8, 8, 1)).astype(np.float32)
Y = RNG.integers(0, 4, 20)
INDEX = np.arange(20)[::-1].copy()  # rows of the training arrays, not in the order of the batch


def uneven_pair():
    """Teacher of three stages 8x8x6, 4x4x8, 2x2x10; student of two, 8x8x3 and 4x4x4."""
    from hintlite.models.settings import NetworkConfig
    from hintlite.models.student import build_student
    from hintlite.models.teacher import build_teacher

    keras.utils.set_random_seed(3)
    teacher = build_teacher(NetworkConfig(widths=(6, 8, 10), depths=(1, 1, 1)), (8, 8, 1), 4)
    student = build_student(NetworkConfig(widths=(3, 4), depths=(1, 1)), (8, 8, 1), 4)
    return teacher, student


def built(arm, teacher, student, **settings):
    """The method of an arm, built on the pair, and its phases with the labels added."""
    from hintlite.pipeline.methods import build_method
    from hintlite.pipeline.methods.base import tap_shapes, with_labels
    from hintlite.pipeline.settings.run import RunConfig

    method = build_method(arm, RunConfig(arms=(arm,), **settings), teacher, student)
    method.build(tap_shapes(teacher), tap_shapes(student), len(X))
    phases = method.phases()
    phases["task"] = with_labels(phases["task"])
    return method, phases


def fitted(student, phase, teacher, epochs=2, **settings):
    """Fits a phase on X and Y in batches of 10, always in the same order; returns the history.

    Not compiled unless the settings say so: tracing takes longer than these few steps.
    """
    import tensorflow as tf

    from hintlite.pipeline.training.distiller import Distiller

    distiller = Distiller(student, phase, teacher)
    distiller.compile(optimizer=keras.optimizers.SGD(0.01), **{"run_eagerly": True, **settings})
    data = tf.data.Dataset.from_tensor_slices(({"image": X, "index": INDEX}, Y)).batch(10)
    history = distiller.fit(data, epochs=epochs, verbose=0, validation_data=data).history
    assert all(np.isfinite(values).all() for values in history.values())
    return history


def weights(model):
    """Path -> value of each variable."""
    return {v.path: v.numpy().copy() for v in model.variables}


def tensors(maps):
    """The same maps as tensors."""
    return {name: keras.ops.convert_to_tensor(x) for name, x in maps.items()}
