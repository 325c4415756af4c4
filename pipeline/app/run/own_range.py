"""The teacher as a run builds it: a given one may want another range than the students."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.data.normalization import fit_normalization
from hintlite.pipeline.data.rows import lazy

if TYPE_CHECKING:
    import keras


def built_teacher(context: Context) -> keras.Model:
    """The network of the settings, which takes what `data.normalization` gives.

    Where `teacher_normalization` names another range, a layer before the network undoes the one
    and does the other.

    Raises:
        NetworkError: it cannot be built, or does not fit the data.
    """
    from hintlite.models.refed import refed
    from hintlite.models.teacher import build_teacher

    config, data = context.config, context.data
    network = build_teacher(config.teacher, data.input_shape, len(data.class_names))
    own = config.teacher_normalization
    if own in (None, config.data.normalization):
        return network
    taken = None if data.values is None else data.values.taken
    theirs = fit_normalization(own, lazy(data.images, data.train), taken, data.name)
    fed = data.normalization
    scale = np.asarray(fed.std) / np.asarray(theirs.std)
    offset = (np.asarray(fed.mean) - np.asarray(theirs.mean)) / np.asarray(theirs.std)
    return refed(network, scale.tolist(), offset.tolist())
