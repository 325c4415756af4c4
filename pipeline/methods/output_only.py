"""A control: as many training steps as with a hint phase, and no hints."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Self

from hintlite.pipeline.methods.base import Phase
from hintlite.pipeline.methods.kd import KD
from hintlite.pipeline.settings.methods import KDConfig

if TYPE_CHECKING:
    import keras

    from hintlite.pipeline.settings.run import RunConfig


class OutputOnly(KD):
    """Soft targets for as long as hints and soft targets together take.

    The loss is that of `kd`; lambda and the learning rate go their way over the longer phase. What
    hint + KD is worth beyond it comes from the hints and not from the additional steps.

    Args:
        config: temperature, weights and convention.
        epochs: passes over the data: those of the hint phase and those of the task phase.
        label_smoothing: applied to the labels' term alone.
    """

    def __init__(self, config: KDConfig, epochs: int, label_smoothing: float = 0.0) -> None:
        super().__init__(config, label_smoothing)
        self.epochs = epochs

    @classmethod
    def of(cls, config: RunConfig, teacher: keras.Model, student: keras.Model) -> Self:
        """The method for two networks with taps, from a run's settings."""
        del teacher, student
        epochs = config.hint.epochs + config.training.epochs
        return cls(config.kd, epochs, config.training.label_smoothing)

    def phases(self) -> dict[str, Phase]:
        """One task phase of that length."""
        return {"task": replace(super().phases()["task"], epochs=self.epochs)}
