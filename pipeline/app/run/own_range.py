"""The teacher as a run builds it: a given one may want another range than the students."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.data.normalization import fit_normalization, given_normalization
from hintlite.pipeline.data.rows import lazy

if TYPE_CHECKING:
    import keras


OWN_RANGE = ("teacher_normalization", "teacher_mean", "teacher_std")  # settings that decide it


def built_teacher(context: Context) -> keras.Model:
    """The network of the settings, which takes what `data.normalization` gives.

    Where `teacher_normalization`, or `teacher_mean` and `teacher_std`, say another range, a layer
    before the network undoes the one and does the other.

    Raises:
        NetworkError: it cannot be built, or does not fit the data.
    """
    from hintlite.models.refed import refed
    from hintlite.models.teacher import build_teacher

    config, data = context.config, context.data
    network = build_teacher(config.teacher, data.input_shape, len(data.class_names))
    own = config.teacher_normalization
    if config.teacher_mean:
        names, channels = "teacher_mean and teacher_std", data.input_shape[-1]
        theirs = given_normalization(config.teacher_mean, config.teacher_std, channels, names)
    elif own is None or (own == config.data.normalization and not config.data.mean):
        return network
    else:
        taken = None if data.values is None else data.values.taken
        theirs = fit_normalization(own, lazy(data.images, data.train), taken, data.name)
    fed = data.normalization
    scale = np.asarray(fed.std) / np.asarray(theirs.std)
    offset = (np.asarray(fed.mean) - np.asarray(theirs.mean)) / np.asarray(theirs.std)
    return refed(network, scale.tolist(), offset.tolist())
