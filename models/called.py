"""A model without a graph, such as a subclassed one, as a network that is called whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from hintlite.errors import NetworkError

LEAST = 1e-30  # of a probability: its logarithm stays finite
_SUM = 1e-3  # how far probabilities may be from adding up to 1


def called(model: Any, shape: Sequence[int], source: str) -> keras.Model:
    """A functional network with the output "logits" of one call of the model.

    Its layers cannot be seen, so it has no taps, and whether it ends in a softmax is asked of its
    answers: where they are shares that add up to 1, their logarithms are logits of the same
    softmax, at any temperature.

    Args:
        model: called with images `[batch, h, w, c]`; answers `[batch, classes]`, or a dict with
            that under "logits".
        shape: (h, w, c) of the images.
        source: where it comes from, for messages.

    Raises:
        NetworkError: it cannot be called so, or answers something else.
    """
    name = type(model).__name__
    image = keras.Input(tuple(shape), name="image")
    try:
        answer = model(image)
        tried = model(_noise(shape), training=False)
    except Exception as error:  # whatever the model's own code raises
        raise NetworkError(
            f"{source} holds {name}, a model without a graph, and calling it on images of shape "
            f"{tuple(shape)} fails ({' '.join(str(error).split())[:300]}): build it of the same "
            "layers as keras.Model(inputs, outputs), and save that."
        ) from error
    logits, found = (_logits(each) for each in (answer, tried))
    if logits is None or found is None:
        raise NetworkError(
            f"{source} holds {name}, a model without a graph, whose answer is not the scores of a "
            "classifier, [batch, classes]: let it return those alone, or under the name 'logits'."
        )
    if _are_shares(np.asarray(found)):
        logits = ops.log(ops.maximum(logits, LEAST))
    return keras.Model(image, {"logits": logits}, name="called")


def _logits(answer: Any) -> Any:
    """The scores `[batch, classes]` of an answer; None where it has none."""
    scores = answer.get("logits") if isinstance(answer, dict) else answer
    return scores if len(getattr(scores, "shape", ())) == 2 else None


def _noise(shape: Sequence[int]) -> np.ndarray:
    """Images of several ranges, float32 `[8, h, w, c]`."""
    unit = np.random.default_rng(0).random((8, *shape), np.float32)
    ranges = np.array([1, 1, 2, 2, 9, 9, 255, 255], np.float32)
    return unit * ranges.reshape(8, *(1 for _ in shape)) - 0.5


def _are_shares(answers: np.ndarray) -> bool:
    return bool((answers >= 0).all() and np.abs(answers.sum(axis=1) - 1).max() < _SUM)
