"""Whether a trained network is fed the range of values that it was trained on.

A network that rescales its input itself, fed values that are rescaled already, answers at chance
without an error anywhere. So its accuracy on the validation part is computed as it would be fed,
and as it would be under every other normalization, before anything is made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.normalization import GIVEN, Normalization, fit_normalization
from hintlite.pipeline.data.rows import Predict, lazy, predicted
from hintlite.pipeline.data.training_data import TrainingData
from hintlite.pipeline.data.value_range import fed_kind
from hintlite.pipeline.settings.data import NORMALIZATIONS, FedKind
from hintlite.pipeline.tasks.classification import scores

MOST_SAMPLES = 2000  # of the validation part
FAR = 0.1  # a better range is the right one where it gains this share of balanced accuracy
WORDS = {
    "unit": "scaled to 0..1",
    "standard": "mean 0 and deviation 1",
    "signed": "scaled to -1..1",
    "raw": "the values as they are",
    GIVEN: "by the mean and deviation that are stated",
}


@dataclass(frozen=True)
class Feeding:
    """What a network reaches on samples of the validation part, by what it is fed.

    Accuracies are balanced: the mean of the classes' recalls, so that chance is 1 / classes however
    rare a class is.

    Attributes:
        kind: the normalization that is set.
        accuracy: normalization -> balanced accuracy; of "raw" and "signed" too, where they exist.
        samples: how many were asked.
        chance: 1 / classes.
        noise: standard error of the balanced accuracy of a network that guesses.
    """

    kind: str
    accuracy: Mapping[str, float]
    samples: int
    chance: float
    noise: float

    @property
    def best(self) -> str:
        """The normalization under which it does best."""
        return max(self.accuracy, key=lambda kind: self.accuracy[kind])

    @property
    def is_at_chance(self) -> bool:
        """As it is fed, it does no better than guessing, within two standard errors."""
        return self.accuracy[self.kind] <= self.chance + 2 * self.noise

    @property
    def is_fed_wrongly(self) -> bool:
        """Another normalization is far better than this one, and than guessing.

        By FAR and by more than samples can differ: a network whose labels are in another order may
        do worse than guessing, and guess under another normalization.
        """
        here = max(self.accuracy[self.kind], self.chance)
        return self.accuracy[self.best] - here >= max(FAR, 3 * self.noise)


def feeding(predict: Predict, data: TrainingData, kind: FedKind) -> Feeding:
    """Asks a network for its answers under each normalization.

    Args:
        predict: float32 [n, ...], normalized -> scores [n, classes].
        data: its validation part is used, at most MOST_SAMPLES evenly spaced samples of it.
        kind: the normalization of `data`; GIVEN where its numbers were stated.
    """
    rows = data.validation
    if len(rows) > MOST_SAMPLES:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_SAMPLES).astype(int)]
    labels = data.labels[rows]

    def reached(fed: Normalization) -> float:
        chosen = np.argmax(predicted(predict, lazy(data.images, rows, fed.apply)), axis=1)
        return scores(labels, chosen, len(data.class_names)).balanced_accuracy

    taken = None if data.values is None else data.values.taken
    if data.values is not None and kind != GIVEN:
        kind = fed_kind(kind, data.images, data.values)
    accuracy: dict[str, float] = {kind: reached(data.normalization)}
    for other in NORMALIZATIONS:
        if other == kind:
            continue
        try:
            fed = fit_normalization(other, lazy(data.images, data.train), taken, "the data")
        except DataError:  # values without a known range have no "signed"
            continue
        accuracy[other] = reached(fed)
    chance = 1 / len(data.class_names)
    return Feeding(kind, accuracy, len(rows), chance, noise(labels, chance))


def problem(found: Feeding, name: str, setting: str) -> str | None:
    """Why a network should not be taken as it is fed, and what to do; None where it may be.

    Args:
        found: from `feeding`.
        name: the network's, for the message.
        setting: what chooses the normalization: "--normalization" or "data.normalization".
    """
    fed = found.accuracy[found.kind]
    said = (
        f"{name} reaches {fed:.2%} balanced accuracy on {found.samples} validation samples, fed "
        f"{found.kind} ({WORDS[found.kind]}); guessing gives {found.chance:.2%}"
    )
    best = found.best
    if found.is_fed_wrongly:
        return (
            f"{said}. Fed {best} ({WORDS[best]}) it reaches {found.accuracy[best]:.2%}: set "
            f"{setting} {best}"
            + (", in the place of the mean and deviation" if found.kind == GIVEN else "")
        )
    if found.is_at_chance:
        tried = ", ".join(f"{k} {v:.2%}" for k, v in found.accuracy.items() if k != found.kind)
        return (
            f"{said}, and no other range is better ({tried}). Look for another range of values or "
            "order of channels in its training, and for labels in another order: its outputs must "
            "follow the class names as they are listed for the data"
        )
    return None


def noise(labels: np.ndarray, chance: float) -> float:
    """Standard error of the balanced accuracy of a network that guesses.

    Args:
        labels: class indices [n].
        chance: 1 / classes.
    """
    _, counts = np.unique(labels, return_counts=True)
    return float(np.sqrt(np.sum(chance * (1 - chance) / counts)) / len(counts))
