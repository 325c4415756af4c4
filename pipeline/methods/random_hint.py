"""A control: the hint phase with targets that know nothing of the teacher or the image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import keras
import numpy as np

from hintlite.pipeline.methods.base import Batch, Phase, Shapes, TeacherOutputs, Tensor
from hintlite.pipeline.methods.hint import Hint, hint_pairs
from hintlite.pipeline.methods.random_maps import Moments, RandomMaps
from hintlite.pipeline.settings.methods import HintConfig

if TYPE_CHECKING:
    from hintlite.pipeline.settings.run import RunConfig

RECTIFIED = ("relu", "relu6")


class RandomHint(Hint):
    """`hint` with another source of targets; its hint phase ends with the last epoch.

    Each sample has a random map of its own, fixed by the seed and the sample's index alone: neither
    the image, its augmentation nor the order of the samples changes it. The maps have the shape of
    the hints and the mean and variance that the teacher's have in each channel over the training
    part. What hints are worth beyond this control comes from what the teacher says, not from a
    second target, a warm start or the steps (asked for by the reviewers of Romero et al. 2015).
    Learnable and left behind: as in Hint; the channels' statistics are left behind too.

    Args:
        config: epochs, regressor and whether the loss stays on in the task phase.
        pairs: guided tap of the student -> hint tap of the teacher.
        activations: hint tap -> its non-linearity ("relu", "linear", ...).
        seed: decides the maps.
    """

    term = "random_hint"

    def __init__(
        self,
        config: HintConfig,
        pairs: Mapping[str, str],
        activations: Mapping[str, str],
        seed: int,
    ) -> None:
        super().__init__(config, pairs, activations)
        self.seed = seed
        self.maps: dict[str, RandomMaps] = {}

    @classmethod
    def of(cls, config: RunConfig, teacher: keras.Model, student: keras.Model) -> Self:
        """The method for two networks with taps, from a run's settings."""
        return cls(config.hint, *hint_pairs(config, teacher, student), config.seed)

    def build(self, teacher_taps: Shapes, student_taps: Shapes, n_samples: int) -> None:
        """Creates the regressors of Hint, and the source of their targets."""
        super().build(teacher_taps, student_taps, n_samples)
        for i, (guided, regressor) in enumerate(self.regressors.items()):
            rectified = self.activations[self.pairs[guided]] in RECTIFIED
            shape = tuple(regressor.output_shape[1:])
            self.maps[guided] = RandomMaps(shape, (self.seed, i), rectified)

    def prepare(self, outputs: TeacherOutputs) -> None:
        """Takes mean and variance of each channel from the teacher's hints."""
        moments = {guided: Moments() for guided in self.pairs}
        for taps in outputs(super().hints):
            batch = Batch({}, taps, None, None, False)
            for guided, moment in moments.items():
                moment.add(np.asarray(super().target(guided, batch)))
        for guided, moment in moments.items():
            self.maps[guided].mean.assign(moment.mean)
            self.maps[guided].variance.assign(moment.variance)

    def target(self, guided: str, batch: Batch) -> Tensor:
        """The samples' random maps, at the regressor's output size."""
        return self.maps[guided](batch.index)

    def compared_maps(self, batch: Batch) -> dict[str, tuple[Tensor, Tensor]]:
        """None: there is nothing to be seen in noise, and it is not the teacher's."""
        del batch
        return {}

    def phases(self) -> dict[str, Phase]:
        """Those of Hint; the hint phase ends with its last epoch.

        No epoch predicts the maps of other samples better than the one before, so that the best
        one on validation data would be an early one, by chance.
        """
        phases = super().phases()
        return {**phases, "pretrain": replace(phases["pretrain"], keep="last")}

    @property
    def hints(self) -> frozenset[str]:
        """No tap of the teacher is read once the statistics are known."""
        return frozenset()

    @property
    def extras(self) -> tuple[keras.layers.Layer, ...]:
        """The regressors, and the maps: their statistics are part of the training's state."""
        return (*super().extras, *self.maps.values())
